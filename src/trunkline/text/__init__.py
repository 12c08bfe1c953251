"""The alphabets of a short message and how a text is cut into parts (3GPP TS 23.038, TS 23.040)."""
