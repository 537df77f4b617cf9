"""Files that are never half written: atomic writes, resumable shards, a vector cache."""
