"""Perceptrons of few weights a layer: one kernel a step, through all layers, tile by tile."""
