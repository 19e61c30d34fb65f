"""Growth of deviations, as lyapunov, spectrum and the studies measure it."""
