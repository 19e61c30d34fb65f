"""Runs advanced together."""
