"""nndyn: dynamical-systems analysis of neural-network training."""

from nndyn._version import __version__

__all__ = ["__version__"]
