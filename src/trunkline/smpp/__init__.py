"""SMPP 3.4, both ends: codec, session, ESME and SMSC; usable alone, importing nothing else of this project."""
