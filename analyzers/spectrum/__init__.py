"""Lyapunov spectrum from tangent vectors."""
