"""Ray Serve shells around `scope`; the online graph will live here."""
