"""The one place where a message changes its state."""
