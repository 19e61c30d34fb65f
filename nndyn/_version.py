"""Version of nndyn."""

__version__ = "0.1.0"
