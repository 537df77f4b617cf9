"""Build a bank from questions and outcomes."""
