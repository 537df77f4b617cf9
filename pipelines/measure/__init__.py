"""Call a pool of models on questions within a spend cap, and grade the answers."""

from pipelines.measure.call_plan import (
    Call,
    CallKey,
    MeasuredQuestion,
    MeasurementRequest,
    arms_of,
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
from pipelines.measure.judge import Judge, ask_judge, check_parses, judge_name
from pipelines.measure.judge_check import (
    JudgeReport,
    LabelledAnswer,
    judge_report,
    read_labelled,
)
from pipelines.measure.judging import JUDGEMENTS, Judging
from pipelines.measure.measure_run import MeasureRun
from pipelines.measure.parameters import KNOWN_BY_NAME, ParameterFlags
from pipelines.measure.plan_file import PlanFile, plan_facts
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
from pipelines.measure.spend_cap import MeasureProgress, Quote, SpendCap, within_budget

__all__ = [
    "ANCHOR_RESULTS",
    "JUDGEMENTS",
    "KNOWN_BY_NAME",
    "OUTCOMES",
    "TRUNCATED",
    "Call",
    "CallKey",
    "CallResult",
    "EarlierResults",
    "Journal",
    "Judge",
    "JudgeReport",
    "Judging",
    "LabelledAnswer",
    "MeasureProgress",
    "MeasureRun",
    "MeasuredQuestion",
    "MeasurementRequest",
    "ParameterFlags",
    "PlanFile",
    "PricedArm",
    "Quote",
    "RequestSettings",
    "SpendCap",
    "arms_of",
    "ask_judge",
    "check_folder_collisions",
    "check_parses",
    "check_questions",
    "check_settings",
    "judge_name",
    "judge_report",
    "measure",
    "plan_calls",
    "plan_facts",
    "priced_arms",
    "read_labelled",
    "summary",
    "within_budget",
    "write_anchor_results",
    "write_outcomes",
]
