"""Training a network as a dynamical system: the only folder of the core that needs torch."""

from nndyn.systems.training.system import Training

__all__ = ["Training"]
