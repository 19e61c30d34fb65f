"""Hypotheses about a study that were written down before it ran, and how they are decided."""
