"""What short trials tell before a recording: its time, and the length of its deviations."""
