"""Crash-safe files: atomic writes, resumable shards and a content-addressed vector cache."""

from scope.storage.files import (
    WEIGHT_FILE_PATTERNS,
    atomic_file,
    atomic_folder,
    check_writable,
    folder_digest,
    read_json,
    sha256,
    stream_json_array,
    write_json,
)
from scope.storage.shards import (
    SETTINGS_FILE,
    ShardFolder,
    assign_shards,
    check_settings_match,
    read_settings,
)
from scope.storage.vector_cache import CorruptShardWarning, VectorCache

__all__ = [
    "SETTINGS_FILE",
    "WEIGHT_FILE_PATTERNS",
    "CorruptShardWarning",
    "ShardFolder",
    "VectorCache",
    "assign_shards",
    "atomic_file",
    "atomic_folder",
    "check_settings_match",
    "check_writable",
    "folder_digest",
    "read_json",
    "read_settings",
    "sha256",
    "stream_json_array",
    "write_json",
]
