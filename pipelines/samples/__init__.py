"""Make the data of learned routers: mix, draw, score, count and split samples; pairs and labels."""

from pipelines.samples.count import CountResult, count_tokens
from pipelines.samples.draw import (
    RESPONSES,
    SAMPLES,
    DrawRequest,
    DrawRun,
    DrawSummary,
    check_models,
    plan_draws,
    priced_models,
)
from pipelines.samples.labels import LabelRequest, LabelResult, write_labels
from pipelines.samples.mix import MixedSource, PromptSource, mix_prompts
from pipelines.samples.split import parse_shares, split_samples

__all__ = [
    "RESPONSES",
    "SAMPLES",
    "CountResult",
    "DrawRequest",
    "DrawRun",
    "DrawSummary",
    "LabelRequest",
    "LabelResult",
    "MixedSource",
    "PromptSource",
    "check_models",
    "count_tokens",
    "mix_prompts",
    "parse_shares",
    "plan_draws",
    "priced_models",
    "split_samples",
    "write_labels",
]
