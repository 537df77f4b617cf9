"""The models that a router may choose, with their prices."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from scope.arrays import FloatArray
from scope.config import StrictModel, Usd
from scope.errors import ConfigError, UnknownModelError
from scope.text_files import read_text


class Resampling(StrictModel):
    """What several samples of one model are worth: fitted to graded samples, or assumed."""

    concentration: float = Field(gt=0, allow_inf_nan=False)
    """``kappa`` of the success rate of a question, ``Beta(kappa p, kappa (1 - p))``."""
    odds: float = Field(gt=0, allow_inf_nan=False)
    """Odds ``w`` with which the selector puts a correct sample before a wrong one."""
    exponent: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """``gamma``: with k of n samples correct, a selector with scores picks a correct one with odds
    ``w k ** gamma / (n - k)``."""
    diversity: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """``alpha`` of the wrong answers if the selector is a majority, which has no exponent: two
    wrong samples differ with the chance ``alpha / (1 + alpha)``."""
    selector: str = Field(min_length=1)
    """What picks the answer: ``majority``, or the name of a reward model."""
    source: Literal["fitted", "assumed"]
    selector_usd_per_mtok: Usd = 0.0
    """Price of a million tokens that the selector reads: prompt and answer of every sample."""


class ModelSpec(StrictModel):
    """One model the router may choose."""

    id: str = Field(min_length=1)
    """Name used in banks, pools and decisions."""
    usd_per_mtok_in: Usd
    """Price of a million prompt tokens. Required: an unknown price is not free."""
    usd_per_mtok_out: Usd
    """Price of a million completion tokens, reasoning included."""
    usd_per_mtok_cached_in: Usd | None = None
    """Price of a million prompt tokens that a parallel sample repeats: 0 where the provider bills
    the prompt of n completions once; None means the full price."""
    context_window: int | None = Field(default=None, ge=1)
    """Limit on prompt and completion tokens; None if unknown."""
    capabilities: tuple[str, ...] = ()
    """What the model supports, such as ``vision`` or ``function_calling``; others are unknown."""
    lacks: tuple[str, ...] = ()
    """Capabilities that it surely has not: a request that needs one never gets this model."""
    upstream_id: str | None = None
    """The provider's name of the model; None means `id`."""
    resampling: Resampling | None = None
    """What several samples of the model are worth; None where no samples were fitted."""

    def without_fitted_samples(self) -> "ModelSpec":
        """Return the model without what was fitted to its samples; what is assumed stays."""
        if self.resampling is None or self.resampling.source == "assumed":
            return self
        return self.model_copy(update={"resampling": None})

    def cost_usd(self, prompt_tokens: FloatArray, completion_tokens: FloatArray) -> FloatArray:
        """Return the cost of calls with these token counts, USD; NaN stays NaN."""
        usd_in, usd_out = self.usd_per_mtok_in / 1e6, self.usd_per_mtok_out / 1e6
        return prompt_tokens * usd_in + completion_tokens * usd_out


def _model_spec(model: str, usd_in: float, usd_out: float) -> ModelSpec:
    return ModelSpec(id=model, usd_per_mtok_in=usd_in, usd_per_mtok_out=usd_out)


PUBLISHED_MODELS: tuple[ModelSpec, ...] = (
    _model_spec("tngtech/deepseek-r1t2-chimera", 0.3, 1.2),
    _model_spec("amazon/nova-2-lite-v1", 0.3, 2.5),
    _model_spec("qwen/qwen3-235b-a22b", 0.18, 0.54),
    _model_spec("qwen/qwen3-14b", 0.05, 0.22),
    _model_spec("openai/gpt-oss-20b", 0.03, 0.14),
    _model_spec("meta-llama/llama-3.3-70b-instruct", 0.1, 0.32),
    _model_spec("google/gemma-3-27b-it", 0.04, 0.15),
    _model_spec("meta-llama/llama-3.1-8b-instruct", 0.02, 0.03),
    _model_spec("google/gemma-3-12b-it", 0.03, 0.1),
    _model_spec("nvidia/nemotron-nano-9b-v2", 0.04, 0.16),
    _model_spec("mistralai/ministral-8b", 0.1, 0.1),
    _model_spec("google/gemma-3-4b-it", 0.017, 0.068),
    _model_spec("mistralai/ministral-3b", 0.04, 0.04),
)
"""The thirteen models of the SCOPE paper with their prices on OpenRouter."""

_IDS = tuple(model.id for model in PUBLISHED_MODELS)

PUBLISHED_POOLS: dict[str, tuple[str, ...]] = {
    "default": _IDS[:7],
    "full": _IDS,
    "reasoning": (_IDS[0], _IDS[2], _IDS[3], _IDS[4], _IDS[5]),
    "high_budget": _IDS[:4],
    "low_budget": (_IDS[4], _IDS[5], _IDS[6], _IDS[8], _IDS[11]),
}
"""The five pools of the SCOPE paper; ties go to the first model."""


def cost_usd(
    models: Sequence[ModelSpec], prompt_tokens_qm: FloatArray, completion_tokens_qm: FloatArray
) -> FloatArray:
    """Return the cost of calls with these token counts, USD; columns are `models`."""
    costs = [
        model.cost_usd(prompt_tokens_qm[:, m], completion_tokens_qm[:, m])
        for m, model in enumerate(models)
    ]
    return np.column_stack(costs)


def load_pool(name_or_file: str) -> tuple[str, ...]:
    """Return the model ids of a published pool or of a pool file.

    A pool file names one model or arm a line. ``#`` starts a comment at the beginning of a line
    or after a space; in ``model#high`` it is part of the name. The order is kept: ties go to the
    first model.

    Raises
    ------
    ConfigError
        If it is neither, names no model, or names one twice.
    """
    if name_or_file in PUBLISHED_POOLS:
        return PUBLISHED_POOLS[name_or_file]
    try:
        text = read_text(Path(name_or_file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"pool {name_or_file!r} is neither one of {', '.join(PUBLISHED_POOLS)} "
            "nor a readable file with one model id a line"
        ) from error
    models = [re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in text.splitlines()]
    models = [model for model in models if model]
    if not models:
        raise ConfigError(f"pool file {name_or_file} names no model")
    if repeated := sorted({model for model in models if models.count(model) > 1}):
        raise ConfigError(f"pool file {name_or_file} names a model twice: {', '.join(repeated)}")
    return tuple(models)


def indices_of(wanted: tuple[str, ...], known: tuple[str, ...], where: str) -> list[int]:
    """Return the index of each of `wanted` in `known`.

    Raises
    ------
    UnknownModelError
        For the first that is absent; `where` names `known` in the message.
    """
    index_of = {model: index for index, model in enumerate(known)}
    for model in wanted:
        if model not in index_of:
            raise UnknownModelError(model, known, where)
    return [index_of[model] for model in wanted]
