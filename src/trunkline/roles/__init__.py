"""The composition root: the only place that wires packages into processes."""
