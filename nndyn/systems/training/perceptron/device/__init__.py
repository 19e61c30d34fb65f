"""Perceptrons on a GPU: few large products, in buffers that stay where they are."""
