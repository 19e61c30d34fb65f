"""A training loop of the user's own as a system: one update is the map, rows take turns."""
