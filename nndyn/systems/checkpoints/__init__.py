"""Checkpoints of a training: files in order, and the tensors in them."""
