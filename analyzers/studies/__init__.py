"""Results of a study as a whole, over its parameter and seeds."""
