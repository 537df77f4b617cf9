"""Whether a session is better off where it is, its upstream's prompt cache counted."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from deployments.protocol import Decision
from deployments.routing.sessions import SessionState
from deployments.settings import SessionSettings
from scope.pool import ModelSpec


class CandidateEstimate(NamedTuple):
    """What is foretold of a model for this turn; NaN where nothing is known."""

    p_correct: float
    cost_usd: float


def keeps_session_model(
    decision: Decision,
    held: SessionState,
    models: Mapping[str, ModelSpec],
    settings: SessionSettings,
    *,
    continues: bool,
) -> bool:
    """Say whether a session keeps its model in place of the one decided for.

    A model that is no candidate, because lists, needs or the pool rule it out, is never kept.
    A turn that only carries tool results keeps it always, any other as `stays` says.

    Parameters
    ----------
    decision : Decision
        Over the eligible models.
    held : SessionState
    models : mapping of str to ModelSpec
        The pool at its prices.
    settings : SessionSettings
    continues : bool
        Whether only tools spoke since the model did.
    """
    outlooks = {one["model"]: _candidate_estimate(one) for one in decision.candidates}
    chosen = decision.model
    if held.model not in outlooks:
        return False
    if continues or held.model == chosen or chosen is None:
        return True
    here, there = outlooks[held.model], outlooks[chosen]
    trade_off = cost_weight_of(decision.settings, here)
    if trade_off is None:
        return False
    spec = models[held.model], models[chosen]
    anew_usd = switching_cost_usd(held.prompt_tokens, *spec, cache_discount=settings.cache_discount)
    return is_not_worth_switching(
        here, there, trade_off=trade_off, switching_usd=anew_usd, margin=settings.margin
    )


def switching_cost_usd(
    prefix_tokens: int, held: ModelSpec, best: ModelSpec, *, cache_discount: float
) -> float:
    """Return what reading the conversation so far costs more elsewhere, USD.

    ``tokens * (price_best - (1 - cache_discount) * price_held)``: the other model reads it
    anew, the one that is held has it cached. Less than 0 where the other is that much cheaper.

    Parameters
    ----------
    prefix_tokens : int
        Prompt tokens of the session's last request.
    held, best : ModelSpec
    cache_discount : float
        Share of the price that is not charged for cached tokens, in [0, 1].

    Examples
    --------
    >>> small = ModelSpec(id="s", usd_per_mtok_in=1, usd_per_mtok_out=1)
    >>> large = ModelSpec(id="l", usd_per_mtok_in=5, usd_per_mtok_out=9)
    >>> round(switching_cost_usd(10_000, large, small, cache_discount=0.9), 6)
    0.005
    """
    cached_usd = (1 - cache_discount) * held.usd_per_mtok_in
    return prefix_tokens * (best.usd_per_mtok_in - cached_usd) / 1e6


def is_not_worth_switching(
    held: CandidateEstimate,
    best: CandidateEstimate,
    *,
    trade_off: float,
    switching_usd: float,
    margin: float,
) -> bool:
    """Say whether the gain of switching does not outweigh what it loses.

    A session switches if and only if

    ``p_best - p_held - trade_off * (cost_best - cost_held + switching_usd) > margin``

    and, where money alone counts (`trade_off` is infinite), if
    ``cost_best + switching_usd < cost_held``.

    Parameters
    ----------
    held, best : CandidateEstimate
        Of the model the session is on, and of the one the policy would choose.
    trade_off : float
        Lambda, right answers that one USD must buy, in [0, inf].
    switching_usd : float
        As from `switch_usd`.
    margin : float
        Right answers that a switch must gain on top, at least 0.

    Returns
    -------
    bool
        False where nothing is known about the held model: the unknown is no favourite.
    """
    if math.isnan(held.p_correct + held.cost_usd):
        return False
    extra_usd = best.cost_usd - held.cost_usd + switching_usd
    if math.isinf(trade_off):
        return not extra_usd < 0
    return not best.p_correct - held.p_correct - trade_off * extra_usd > margin


def cost_weight_of(settings: Mapping[str, float | None], held: CandidateEstimate) -> float | None:
    """Return what a USD must buy under a decision's settings; None if the held model fails them.

    The dial's own lambda; among models that are good enough, money alone counts (inf); among
    models that are cheap enough, right answers alone (0).

    Parameters
    ----------
    settings : mapping
        Of a decision: ``trade_off``, ``min_quality`` or ``max_cost_usd``. JSON has no infinity,
        so that a ``trade_off`` of None is one.
    held : CandidateEstimate
    """
    min_quality, limit_usd = settings.get("min_quality"), settings.get("max_cost_usd")
    if min_quality is not None:
        return math.inf if held.p_correct >= min_quality else None
    if limit_usd is not None:
        return 0.0 if held.cost_usd <= limit_usd else None
    trade_off = settings.get("trade_off")
    return math.inf if trade_off is None else trade_off


def _candidate_estimate(candidate: Mapping[str, Any]) -> CandidateEstimate:
    known = (candidate[name] for name in CandidateEstimate._fields)
    return CandidateEstimate(*(math.nan if value is None else value for value in known))
