"""Training of learned routers and reward models: Trainer inside Ray Train, resumable."""
