"""Embed texts on Ray Data through the cache."""
