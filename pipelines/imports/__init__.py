"""Read evaluation logs of other programs as questions and outcomes."""

from pipelines.imports.formats import FORMATS, LogSource
from pipelines.imports.join import TokenSources, join_records, write_tables

__all__ = ["FORMATS", "LogSource", "TokenSources", "join_records", "write_tables"]
