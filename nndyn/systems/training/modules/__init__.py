"""Modules: any torch module, its weights as rows of numbers, its loss and derivatives."""
