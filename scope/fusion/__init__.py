"""Combine the forecast of the anchors with the reasoner's, and decide when to query it."""
