"""What stands beside an exponent: other causes, parts of a network, its function."""
