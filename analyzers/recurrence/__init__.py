"""Recurrence plots of trajectories of any dimension, counted without ever being stored."""
