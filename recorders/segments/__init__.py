"""Segments between the weights of two trajectories, and what a network does on them."""
