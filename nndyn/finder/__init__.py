"""Search for the onset of growth."""
