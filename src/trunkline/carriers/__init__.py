"""Everything that knows a carrier: its dialect, what its PDUs say and how ours are written, its links."""
