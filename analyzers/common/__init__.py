"""What several analyzers stand on: states a block at a time, headers, progress."""
