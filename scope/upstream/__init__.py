"""A client of any OpenAI-compatible API."""
