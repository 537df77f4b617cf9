"""Decide for a request: predict, query the reasoner, choose, keep the session's model."""
