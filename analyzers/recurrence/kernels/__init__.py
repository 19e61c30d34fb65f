"""Kernels of recurrence: distances, bits of the plot, lines in it."""
