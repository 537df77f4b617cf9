"""The work of the Embedder, Predictor and engine replicas, without Ray."""
