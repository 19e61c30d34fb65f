"""Watching a training loop of the user's own: one trajectory, recorded as it goes."""
