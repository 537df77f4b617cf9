"""The published code: its two-stage policy and its file formats, reproduced."""
