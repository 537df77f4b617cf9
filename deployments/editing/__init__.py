"""Change values in a Serve configuration file that people keep, with its comments and layout."""

from deployments.editing.config_file import KeyPath, edit_config, read_source, write_text

__all__ = [
    "KeyPath",
    "edit_config",
    "read_source",
    "write_text",
]
