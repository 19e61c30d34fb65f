"""The Lyapunov spectrum from tangent vectors."""
