"""A running API over a real database, for tests that ask it over real HTTP."""

from api_rig import rig

__all__ = ["rig"]
