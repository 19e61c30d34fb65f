"""Samples: their sources, and those that a step sees."""
