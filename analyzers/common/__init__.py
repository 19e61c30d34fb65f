"""Foundations of several analyzers: states in blocks, headers, progress."""
