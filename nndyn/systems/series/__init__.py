"""Measured series as recordings, from an experiment or another program."""
