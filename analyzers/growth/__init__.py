"""Growth of deviations: what lyapunov, spectrum and studies measure it by."""
