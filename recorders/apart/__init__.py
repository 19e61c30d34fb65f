"""Runs that were made apart, written as the replicas of one recording."""
