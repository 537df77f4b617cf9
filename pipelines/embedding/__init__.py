"""Embed texts with Ray Data, and cache the vectors."""
