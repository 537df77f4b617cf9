"""Read and validate request bodies, and derive what a model must be able to do."""
