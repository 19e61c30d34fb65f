"""The maximum Lyapunov exponent from the separation of perturbed replicas."""
