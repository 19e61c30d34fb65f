"""Blocks of a run: what a system gives, rows of variables, and their commits."""
