"""Whom to ask the reasoner about, one question at a time: only those who can change a decision.

The caller asks, many at once if it likes, and tells what came of it::

    cascade = Cascade(policy, blend, estimates, models, asking=Asking("exact"))
    while not cascade.done:
        for model in cascade.next(at_once - len(cascade.running)):
            ...                             # start asking
        cascade.tell(model, answer)         # of whichever answers first; None if it failed
        for model in cascade.superfluous:
            cascade.cancel(model)           # and stop asking
    estimates = cascade.estimates()

It may stop at any time, as at a deadline: `estimates` holds what was told until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scope.errors import ConfigError
from scope.fusion.blend import Blend
from scope.fusion.bounds import EstimateBounds, undecided_models
from scope.fusion.value_of_information import UpdateStd, expected_value_of_information, query_cost
from scope.policy import Policy
from scope.pool import ModelSpec
from scope.predictions import Estimates
from scope.reasoner import ReasonerPrediction, ReasonerPredictions


@dataclass(frozen=True, slots=True)
class QueryRule:
    """When an answer is worth asking for.

    Attributes
    ----------
    mode : str
        ``exact``: as long as it could change the decision, which is then that of asking about
        everybody. ``expected``: as long as what it will change is expected to be worth its
        price (`scope.fusion.value_of_information`).
    ask_usd : float
        Price of one answer; only ``expected`` goes by it.
    """

    mode: Literal["exact", "expected"] = "exact"
    query_cost_usd: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.query_cost_usd < np.inf:
            raise ConfigError(
                f"ask_usd is {self.query_cost_usd}; expected a number of USD of at least 0"
            )


class SelectiveQuery:
    """Asks about the models of one question in turn.

    Parameters
    ----------
    policy : Policy
        `ExpectedValue`, `MinQuality` or `MaxCost`.
    blend : Blend
    estimates : Estimates
        What the anchors say of one question: one row.
    models : sequence of ModelSpec
        Its columns, and those of the blend.
    asking : QueryRule, optional
    """

    def __init__(
        self,
        policy: Policy,
        blend: Blend,
        estimates: Estimates,
        models: Sequence[ModelSpec],
        asking: QueryRule | None = None,
    ) -> None:
        self._policy = policy
        self._blend = blend
        self._anchors = estimates
        self._models = models
        self._asking = asking or QueryRule()
        least, most = blend.bounds(estimates, models)
        self._box = EstimateBounds(
            least.p_correct_qm[0], most.p_correct_qm[0], least.cost_usd_qm[0], most.cost_usd_qm[0]
        )
        self._answers = ReasonerPredictions(*np.full((2, *estimates.p_correct_qm.shape), np.nan))
        self._now = estimates
        self._n_open = int((self._box.undetermined_m & self._box.known_m).sum())
        self._running: list[int] = []
        self._started: set[int] = set()
        self._update_candidates()

    @property
    def running(self) -> tuple[int, ...]:
        """Models that are being asked about."""
        return tuple(self._running)

    @property
    def cancellable(self) -> tuple[int, ...]:
        """Models that are being asked about and can change nothing any more."""
        return tuple(model for model in self._running if model not in self._able)

    @property
    def done(self) -> bool:
        """Whether nobody is worth asking, nor worth waiting for."""
        return not len(self._wanted) and len(self.cancellable) == len(self._running)

    @property
    def n_started(self) -> int:
        """How many models were asked about, cancelled and failed ones included."""
        return len(self._started)

    @property
    def n_avoided(self) -> int:
        """How many were not, of those whose answer would have changed a number."""
        return self._n_open - len(self._started)

    def start_next(self, n: int) -> list[int]:
        """Return at most `n` more models to ask about now, best first; they are running then."""
        chosen = [int(model) for model in self._wanted if model not in self._running][: max(n, 0)]
        self._running += chosen
        self._started |= set(chosen)
        return chosen

    def record(self, model: int, answer: ReasonerPrediction | None) -> None:
        """Take note of an answer; None: it failed, and what the anchors say stays.

        Neither is asked for again.
        """
        if model in self._running:
            self._running.remove(model)
        if answer is not None:
            self._answers.p_yes_qm[0, model] = answer.p_yes
            self._answers.tokens_qm[0, model] = answer.tokens
            self._now = self._blend.apply(self._anchors, self._answers, self._models)
        now = self._now
        self._box = self._box.with_fixed(
            model, now.p_correct_qm[0, model], now.cost_usd_qm[0, model]
        )
        self._update_candidates()

    def cancel(self, model: int) -> None:
        """Take note that a model is no longer asked about."""
        self._running.remove(model)

    def estimates(self) -> Estimates:
        """Return what is known by now."""
        return self._now

    def _update_candidates(self) -> None:
        """Find out who could change the decision, and who of them is worth asking about."""
        self._able = self._wanted = undecided_models(self._policy, self._box)
        if self._asking.mode == "exact" or not len(self._able):
            return
        now, spread = self._now, UpdateStd(self._blend.shift_std, self._blend.ratio_std)
        p_m, cost_m = now.p_correct_qm[0], now.cost_usd_qm[0]
        value_a = expected_value_of_information(
            self._policy, p_m, cost_m, self._box, spread, self._able
        )
        # In the order of the able: by value alone more were asked, to less effect.
        price = query_cost(self._policy, self._asking.query_cost_usd)
        self._wanted = self._able[value_a > price]
