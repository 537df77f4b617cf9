"""The HTTP surface and the flow of one request."""
