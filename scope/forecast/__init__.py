"""Forecasts from anchors, on arrays alone: kNN, Gaussian process, categories, transfer."""
