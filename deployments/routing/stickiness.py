"""Whether a session keeps its model, given that the upstream has cached its prompt."""

import math
from collections.abc import Mapping

from deployments.protocol import CandidateEstimate, Decision
from deployments.routing.sessions import SessionState
from deployments.settings import SessionSettings
from scope.arms import Arm
from scope.pool import ModelSpec


def keeps_session_model(
    decision: Decision,
    session: SessionState,
    models: Mapping[str, ModelSpec],
    settings: SessionSettings,
    *,
    is_tool_turn: bool,
) -> bool:
    """Return whether a session keeps its model in place of the decision's.

    A model that is not eligible for this request is never kept. A turn with tool results only
    always keeps the model; for any other turn `is_not_worth_switching` decides.

    Parameters
    ----------
    decision : Decision
        Over the eligible models.
    session : SessionState
    models : mapping of str to ModelSpec
        The pool at current prices.
    settings : SessionSettings
    is_tool_turn : bool
        Whether the request adds only tool results to the conversation.
    """
    held, chosen = held_candidate(decision, session), decision.candidate(decision.model)
    if held is None:
        return False
    if is_tool_turn or chosen is None or held.model == chosen.model:
        return True
    # Without a policy only cost counts.
    cost_weight = (
        decision.policy.cost_weight(held.p_correct, held.cost_usd) if decision.policy else math.inf
    )
    if cost_weight is None:
        return False
    switching_usd = switching_cost_usd(
        session.prompt_tokens,
        models[held.model],
        models[chosen.model],
        cache_discount=settings.cache_discount,
    )
    return is_not_worth_switching(
        held,
        chosen,
        cost_weight=cost_weight,
        switching_usd=switching_usd,
        margin=settings.margin,
    )


def held_candidate(decision: Decision, session: SessionState) -> CandidateEstimate | None:
    """Return the candidate that keeps a session where it is; None if there is none.

    The session's own arm, else one sample of it, else its model: the same prompt cache.
    """
    arm = Arm.parse(session.model)
    names = (session.model, str(arm.one_sample), arm.model)
    return next((held for name in names if (held := decision.candidate(name))), None)


def switching_cost_usd(
    prefix_tokens: int, held: ModelSpec, best: ModelSpec, *, cache_discount: float
) -> float:
    """Return the extra cost of the conversation so far if another model reads it, USD.

    ``tokens * (price_best - cached_price_held)``: the other model reads the whole conversation,
    the held model has it cached. Negative where the other model is
    sufficiently cheaper. Arms of one model share its cache, and each sample of an arm reads the
    conversation.

    Parameters
    ----------
    prefix_tokens : int
        Prompt tokens of the session's last request.
    held, best : ModelSpec
    cache_discount : float
        Share of the price that is not charged for cached tokens, in [0, 1], where the held model
        has no price of them.

    Examples
    --------
    >>> small = ModelSpec(id="s", usd_per_mtok_in=1, usd_per_mtok_out=1)
    >>> large = ModelSpec(id="l", usd_per_mtok_in=5, usd_per_mtok_out=9)
    >>> round(switching_cost_usd(10_000, large, small, cache_discount=0.9), 6)
    0.005
    """
    held_arm, best_arm = Arm.parse(held.id), Arm.parse(best.id)
    if held_arm.model == best_arm.model:
        return 0.0
    held_prices = held.prices_at(prefix_tokens * held_arm.n_samples)
    best_prices = best.prices_at(prefix_tokens * best_arm.n_samples)
    usd_per_mtok = held_prices.usd_per_mtok_cached_in
    if usd_per_mtok is None:
        usd_per_mtok = (1 - cache_discount) * held_prices.usd_per_mtok_in
    cached_usd = usd_per_mtok * held_arm.n_samples
    read_usd = best_prices.usd_per_mtok_in * best_arm.n_samples
    return prefix_tokens * (read_usd - cached_usd) / 1e6


def is_not_worth_switching(
    held: CandidateEstimate,
    best: CandidateEstimate,
    *,
    cost_weight: float,
    switching_usd: float,
    margin: float,
) -> bool:
    """Return whether a switch gains no more than it costs.

    A session switches if and only if

    ``p_best - p_held - cost_weight * (cost_best - cost_held + switching_usd) > margin``

    and, where only cost counts (`cost_weight` is infinite), if
    ``cost_best + switching_usd < cost_held``.

    Parameters
    ----------
    held, best : CandidateEstimate
        Of the session's model and of the model that the policy chose.
    cost_weight : float
        Correct answers that one USD must buy, in [0, inf], as from `Policy.cost_weight`.
    switching_usd : float
        As from `switching_cost_usd`.
    margin : float
        Correct answers that a switch must gain on top, at least 0.

    Returns
    -------
    bool
        False where the estimates of the held model are unknown.
    """
    if math.isnan(held.p_correct + held.cost_usd):
        return False
    extra_usd = best.cost_usd - held.cost_usd + switching_usd
    if math.isinf(cost_weight):
        return not extra_usd < 0
    return not best.p_correct - held.p_correct - cost_weight * extra_usd > margin
