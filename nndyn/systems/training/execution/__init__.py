"""Execution of runs that advance together."""
