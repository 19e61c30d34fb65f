"""Process-wide state of torch, set and restored: device, threads, randomness."""
