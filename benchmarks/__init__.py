"""Benchmarks: speed as a ratio to a named baseline in the same run, and quality of decisions."""
