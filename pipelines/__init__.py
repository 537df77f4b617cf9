"""Ray Data shells and the command line around `scope`."""
