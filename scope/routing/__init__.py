"""Route predictions under an objective, and score, store, sweep or replay the result."""
