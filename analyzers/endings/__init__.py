"""Ends of the replicas of a training: how far apart they are, and what lies between them."""
