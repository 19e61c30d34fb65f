"""Recordings side by side: what may be compared of them, on clocks that they have in common."""
