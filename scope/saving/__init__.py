"""Cost saved and quality lost against always one reference model."""

from scope.saving.comparison import AgainstReference
from scope.saving.match_forecast import MatchForecast, match_forecast
from scope.saving.routers import ReferenceRequest, evaluate_against_reference
from scope.saving.tables import reference_tables

__all__ = [
    "AgainstReference",
    "MatchForecast",
    "ReferenceRequest",
    "evaluate_against_reference",
    "match_forecast",
    "reference_tables",
]
