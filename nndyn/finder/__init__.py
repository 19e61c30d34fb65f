"""The search for the onset of growth."""
