"""The commands of the endpoint: flags in, text out."""
