"""Query the reasoner only about models whose answer can change the decision.

`SelectiveQuery` decides what to query; the caller runs the queries, concurrently if it wants::

    query = SelectiveQuery(policy, blend, estimates, models)
    while not query.done:
        for model in query.start_next(n_free_slots):
            ...                             # start a query
        query.record({model: answer})       # for each answer; None if the query failed
        for model in query.cancellable:
            query.cancel(model)             # and stop the running query
    estimates = query.estimates()

The caller may stop at any time, such as at a deadline: `estimates` includes every answer recorded
so far.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scope.errors import ConfigError
from scope.fusion.blend import Blend
from scope.fusion.value_of_information import UpdateStd, expected_value_of_information
from scope.policy import EstimateBounds, Policy
from scope.pool import ModelSpec
from scope.predictions import Estimates
from scope.reasoner import ReasonerPrediction, ReasonerPredictions


@dataclass(frozen=True, slots=True)
class QueryRule:
    """When a query is worth its cost.

    Attributes
    ----------
    mode : str
        ``exact``: while an answer can change the decision, which is then the same as after
        querying all models. ``expected``: while the expected gain of an answer exceeds the
        cost of the query (`scope.fusion.value_of_information`).
    query_cost_usd : float
        Cost of one query; only ``expected`` uses it.
    """

    mode: Literal["exact", "expected"] = "exact"
    query_cost_usd: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.query_cost_usd < np.inf:
            raise ConfigError(
                f"query_cost_usd is {self.query_cost_usd}; expected a finite number of USD, "
                "at least 0"
            )


class SelectiveQuery:
    """Selects the models of one question to query, one after another.

    Parameters
    ----------
    policy : Policy
    blend : Blend
    estimates : Estimates
        Estimates from the anchors for one question: one row.
    models : sequence of ModelSpec
        Columns of `estimates` and of `blend`.
    rule : QueryRule, optional
    one_query : bool
        Whether one query is about all models: then only one is started, as soon as the answer about
        any single model is worth the cost.
    """

    def __init__(
        self,
        policy: Policy,
        blend: Blend,
        estimates: Estimates,
        models: Sequence[ModelSpec],
        rule: QueryRule | None = None,
        *,
        one_query: bool = False,
    ) -> None:
        self._policy = policy
        self._blend = blend
        self._anchors = estimates
        self._models = models
        self._rule = rule or QueryRule()
        self._one_query = one_query
        low, high = blend.bounds(estimates, models)
        self._bounds = EstimateBounds(
            low.p_correct_qm[0], high.p_correct_qm[0], low.cost_usd_qm[0], high.cost_usd_qm[0]
        )
        self._answers = ReasonerPredictions(*np.full((2, *estimates.p_correct_qm.shape), np.nan))
        self._estimates = estimates
        n_undetermined = int((self._bounds.undetermined_m & self._bounds.known_m).sum())
        self._max_queries = min(n_undetermined, 1) if one_query else n_undetermined
        self._running: list[int] = []
        self._started: set[int] = set()
        self._update_candidates()

    @property
    def cancellable(self) -> tuple[int, ...]:
        """Models whose query is running and can no longer change the decision."""
        return tuple(model for model in self._running if model not in self._undecided)

    @property
    def done(self) -> bool:
        """Whether no model is worth a query and no running query is worth waiting for."""
        return not len(self._worthwhile) and len(self.cancellable) == len(self._running)

    @property
    def n_started(self) -> int:
        """Number of queries started, including cancelled and failed ones."""
        return len(self._started)

    @property
    def n_avoided(self) -> int:
        """Number of queries never started although an answer would change an estimate."""
        return self._max_queries - len(self._started)

    def start_next(self, n: int) -> list[int]:
        """Return at most `n` more models to query, best first, and mark them as running."""
        chosen = [model for model in self._worthwhile.tolist() if model not in self._running]
        if self._one_query:
            n = min(n, 1 - len(self._started))
        chosen = chosen[: max(n, 0)]
        self._running += chosen
        self._started |= set(chosen)
        return chosen

    def record(self, answers: Mapping[int, ReasonerPrediction | None]) -> None:
        """Record the answers of a query by model, also about models that were not started.

        None if the query failed, so that the anchors' estimates stay. In either case these models
        are not queried again.
        """
        self._running = [model for model in self._running if model not in answers]
        for model, answer in answers.items():
            if answer is not None:
                self._answers.p_yes_qm[0, model] = answer.p_yes
                self._answers.tokens_qm[0, model] = answer.tokens
        estimates = self._blend.apply(self._anchors, self._answers, self._models)
        for model in answers:
            self._bounds = self._bounds.with_fixed(
                model, estimates.p_correct_qm[0, model], estimates.cost_usd_qm[0, model]
            )
        self._estimates = estimates
        self._update_candidates()

    def cancel(self, model: int) -> None:
        """Record that the query of a model was cancelled."""
        self._running.remove(model)

    def estimates(self) -> Estimates:
        """Return the estimates after the answers recorded so far."""
        return self._estimates

    def _update_candidates(self) -> None:
        """Update the models that can change the decision, and those worth a query."""
        self._undecided = self._worthwhile = self._policy.undecided_models(self._bounds)
        if self._rule.mode == "exact" or not len(self._undecided):
            return
        gain_n = expected_value_of_information(
            self._policy,
            self._estimates.p_correct_qm[0],
            self._estimates.cost_usd_qm[0],
            self._bounds,
            UpdateStd(self._blend.shift_std, self._blend.ratio_std),
            self._undecided,
        )
        # Keep the order of `_undecided`: in the order of gains, more queries achieve less.
        query_cost = self._policy.query_cost(self._rule.query_cost_usd)
        self._worthwhile = self._undecided[gain_n > query_cost]
