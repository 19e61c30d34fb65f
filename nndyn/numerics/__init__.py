"""What recorders and analyzers both compute with."""
