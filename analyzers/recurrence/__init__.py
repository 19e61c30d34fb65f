"""Recurrence plots of trajectories of any dimension, counted without being stored."""
