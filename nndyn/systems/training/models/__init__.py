"""Models: from the name that a user gives to a network."""
