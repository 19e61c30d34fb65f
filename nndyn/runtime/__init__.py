"""The process that runs: progress, interrupts, paths, where a result came from."""
