"""Training of a network as a dynamical system; the only part of the core that needs torch."""

from nndyn.systems.training.system import Training

__all__ = ["Training"]
