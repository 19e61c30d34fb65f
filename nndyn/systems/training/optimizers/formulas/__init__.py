"""Update rules with one set of hyperparameters, one file each."""
