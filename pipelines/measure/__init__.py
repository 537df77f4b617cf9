"""Run a pool of models on questions within a spend cap."""
