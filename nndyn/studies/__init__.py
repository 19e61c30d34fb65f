"""Studies: recordings over a grid of options, in a folder with an index."""
