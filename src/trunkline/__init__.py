"""Trunkline: a self-hosted A2P SMS platform."""

__version__ = "0.1.0.dev0"
