"""Elementary functions inside kernels: the value of a number depends on that number alone."""
