"""Training times and accuracies of networks."""
