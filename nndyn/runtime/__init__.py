"""Runtime of a process: progress, interrupts, paths, provenance."""
