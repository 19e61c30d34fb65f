"""How a trajectory explores its space."""
