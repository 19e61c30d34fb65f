"""Multilayer perceptrons: many rows of weights in one pass."""
