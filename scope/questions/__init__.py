"""Read question sets and grade answers."""
