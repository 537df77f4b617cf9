"""Ray Serve shells around `scope`: HTTP and replicas."""
