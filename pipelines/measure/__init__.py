"""Call a pool of models on questions within a spend cap, and grade the answers."""

from pipelines.measure.call_plan import (
    Call,
    CallKey,
    MeasuredQuestion,
    MeasurementRequest,
    plan_calls,
)
from pipelines.measure.journal import (
    TRUNCATED,
    CallResult,
    EarlierResults,
    Journal,
    check_questions,
    check_settings,
)
from pipelines.measure.measure_run import MeasureRun
from pipelines.measure.parameters import KNOWN_BY_NAME, ParameterFlags
from pipelines.measure.priced_arms import PricedArm, priced_arms
from pipelines.measure.results import (
    ANCHOR_RESULTS,
    OUTCOMES,
    check_folder_collisions,
    summary,
    write_anchor_results,
    write_outcomes,
)
from pipelines.measure.run import RequestSettings, measure
from pipelines.measure.spend_cap import MeasureProgress, Quote, SpendCap

__all__ = [
    "ANCHOR_RESULTS",
    "KNOWN_BY_NAME",
    "OUTCOMES",
    "TRUNCATED",
    "Call",
    "CallKey",
    "CallResult",
    "EarlierResults",
    "Journal",
    "MeasureProgress",
    "MeasureRun",
    "MeasuredQuestion",
    "MeasurementRequest",
    "ParameterFlags",
    "PricedArm",
    "Quote",
    "RequestSettings",
    "SpendCap",
    "check_folder_collisions",
    "check_questions",
    "check_settings",
    "measure",
    "plan_calls",
    "priced_arms",
    "summary",
    "write_anchor_results",
    "write_outcomes",
]
