"""Speed as ratios: each module prints what it measured against a named peer in one run."""
