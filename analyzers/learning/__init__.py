"""How long a network takes to learn."""
