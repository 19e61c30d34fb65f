"""Update rules made of others: groups of weights, sums of gradients, averages of weights."""
