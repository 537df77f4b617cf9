"""Call the chosen model, fall back to the next, and pass streams through."""
