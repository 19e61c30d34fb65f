"""Callbacks that record the weights in trainings which other libraries run."""

from nndyn.integrations import lightning, transformers

__all__ = ["lightning", "transformers"]
