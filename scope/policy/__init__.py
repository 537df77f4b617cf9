"""From estimates to a choice: policies, budgets, hulls and the alpha scale, on arrays alone."""
