"""Batches of a Dataset or DataLoader, as functions of time."""
