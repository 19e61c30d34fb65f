"""Exploration of the state space by a trajectory."""
