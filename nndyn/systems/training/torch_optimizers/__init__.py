"""Optimizers that are given as torch's: read, translated where the rule is ours, else in turn."""
