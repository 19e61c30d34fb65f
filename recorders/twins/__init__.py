"""A training function of the user's, called for every replica of an ensemble."""
