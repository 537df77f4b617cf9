"""Fit a bank, predict from a bank, and add a model to a bank."""
