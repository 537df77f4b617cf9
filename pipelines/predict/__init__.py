"""The prediction run: shards that survive a kill, merged into sorted files."""
