"""What the results over the runs of a study say together."""
