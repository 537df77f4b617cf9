"""Cost saved and quality lost against always one reference model."""

from scope.saving.comparison import (
    AgainstReference,
    FixedPointRow,
    SavingPoint,
    compare_with_reference,
)
from scope.saving.match_forecast import MatchForecast, match_forecast
from scope.saving.routers import TRADE_OFF_RULE, ReferenceRequest, evaluate_against_reference
from scope.saving.tables import reference_tables

__all__ = [
    "TRADE_OFF_RULE",
    "AgainstReference",
    "FixedPointRow",
    "MatchForecast",
    "ReferenceRequest",
    "SavingPoint",
    "compare_with_reference",
    "evaluate_against_reference",
    "match_forecast",
    "reference_tables",
]
