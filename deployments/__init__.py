"""The endpoint: `scope` on Ray Serve, with HTTP and replicas."""
