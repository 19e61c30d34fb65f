"""Measured series as recordings: what comes from an experiment or another program."""
