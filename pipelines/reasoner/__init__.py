"""Query the reasoner on Ray Data, and keep every answer."""

from pipelines.reasoner.held_out import check_held_out
from pipelines.reasoner.options import (
    ReasonerFlags,
    ReasonerOptions,
    answer_cache_folder,
    uses_reasoner,
)
from pipelines.reasoner.request import QueryBatch, QueryResult, ReasonerRun, ReasonerUsage

__all__ = [
    "QueryBatch",
    "QueryResult",
    "ReasonerFlags",
    "ReasonerOptions",
    "ReasonerRun",
    "ReasonerUsage",
    "answer_cache_folder",
    "check_held_out",
    "uses_reasoner",
]
