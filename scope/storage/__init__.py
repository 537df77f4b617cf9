"""Crash-safe files: atomic writes, resumable shards and a content-addressed vector cache."""

from scope.storage.files import (
    WEIGHT_FILE_PATTERNS,
    atomic_file,
    atomic_folder,
    check_writable,
    folder_digest,
    link_or_copy,
    read_json,
    sha256,
    stream_json_array,
    write_json,
)
from scope.storage.shards import (
    SETTINGS_FILE,
    ShardFolder,
    check_settings_match,
    read_settings,
    split_into_shards,
)
from scope.storage.vector_cache import CorruptShardWarning, VectorCache

__all__ = [
    "SETTINGS_FILE",
    "WEIGHT_FILE_PATTERNS",
    "CorruptShardWarning",
    "ShardFolder",
    "VectorCache",
    "atomic_file",
    "atomic_folder",
    "check_settings_match",
    "check_writable",
    "folder_digest",
    "link_or_copy",
    "read_json",
    "read_settings",
    "sha256",
    "split_into_shards",
    "stream_json_array",
    "write_json",
]
