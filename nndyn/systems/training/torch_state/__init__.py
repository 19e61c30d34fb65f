"""State of torch that a whole process shares, set and given back: device, threads, randomness."""
