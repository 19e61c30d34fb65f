"""From what a user names as the model to a network."""
