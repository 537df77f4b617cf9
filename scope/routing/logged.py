"""Decisions that were made once, to be compared with new ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.arrays import BoolArray
from scope.bank import fit_alpha_scale
from scope.errors import ConfigError, FormatError
from scope.policy import Choices, ExpectedValue
from scope.pool import indices_of
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, route
from scope.routing.routing import RoutingResult
from scope.storage import read_json


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """Decisions as ``scope route`` or the endpoint made them.

    Attributes
    ----------
    targets : tuple of Objective
        Everything that was asked for, each once.
    models : tuple of str
        Those that could have been chosen.
    model_of : dict of str to (str or None)
        Chosen model by question; None where nothing was known.
    """

    targets: tuple[Objective, ...]
    models: tuple[str, ...]
    model_of: dict[str, str | None]

    @property
    def target(self) -> Objective:
        """What all of them asked for.

        Raises
        ------
        ConfigError
            If they did not ask for the same.
        """
        if len(self.targets) > 1:
            raise ConfigError(
                f"the logged requests asked for {len(self.targets)} different things; say what "
                "to aim for now: --alpha, --budget, --min-quality or --max-cost"
            )
        return self.targets[0]

    @classmethod
    def load(cls, path: Path) -> "LoggedDecisions":
        """Read a routing file.

        Raises
        ------
        FormatError
            If it is not one that ``scope route`` wrote for our own policies.
        """
        log = read_json(path)
        try:
            derived = ("trade_off", "optimal_alpha")
            settings = {k: v for k, v in log["settings"].items() if k not in derived}
            decisions = log["result"]["routing_decisions"]
            model_of = {one["question_id"]: one["selected_model"] for one in decisions}
            return cls((Objective(**settings),), tuple(log["models"]), model_of)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise FormatError(
                f"{path} is no routing file of `scope route`; expected settings, models "
                "and routing_decisions"
            ) from error

    def choices(self, predicted: PredictionSet) -> Choices:
        """Return the decisions as positions among the models of `predicted`.

        Raises
        ------
        FormatError
            If they are about other questions.
        UnknownModelError
            If nothing was predicted for a chosen model.
        """
        ids = predicted.predictions.question_ids
        if set(ids) != set(self.model_of) or len(ids) != len(self.model_of):
            raise FormatError(
                f"the routing decides {len(self.model_of):,} questions, the predictions are of "
                f"{len(ids):,} and not the same; replay needs the predictions it was made from"
            )
        chosen = [self.model_of[question_id] for question_id in ids]
        known = tuple(sorted({model for model in chosen if model is not None}))
        place = dict(
            zip(
                known,
                indices_of(known, predicted.predictions.models, "the predictions"),
                strict=True,
            )
        )
        model_q = np.array([-1 if model is None else place[model] for model in chosen])
        return Choices(model_q, model_q >= 0)


@dataclass(frozen=True, slots=True)
class EligibleModels:
    """The models that were left to each question by its own rules.

    Attributes
    ----------
    models : tuple of str
    offered_qm : ndarray of bool, shape (n_questions, n_models)
    """

    models: tuple[str, ...]
    eligible_qm: BoolArray

    def route(self, predicted: PredictionSet, target: Objective) -> RoutingResult:
        """Choose for every question as the endpoint does: by the dial of its own models.

        Without rules this is `scope.routing.route.route`.

        Parameters
        ----------
        predicted : PredictionSet
            Of the same questions and some of the models; NaN where a model was not offered.
        target : Objective

        Raises
        ------
        As `scope.routing.route.route`.
        """
        if target.alpha is None:
            return route(predicted, target)
        columns = indices_of(predicted.model_ids, self.models, "the log")
        sets_sm, set_q = np.unique(self.eligible_qm[:, columns], axis=0, return_inverse=True)
        estimates = predicted.predictions.estimates
        model_q = np.full(len(set_q), -1)
        for s, offered_m in enumerate(sets_sm):
            if not offered_m.any():
                continue
            offered = tuple(np.array(predicted.model_ids)[offered_m].tolist())
            pool = predicted.select_models(offered)
            scale = fit_alpha_scale(pool.reference, pool.models)
            policy = ExpectedValue(scale.trade_off(target.alpha))
            rows_q = set_q == s
            chosen = policy.choose(estimates.p_correct_qm[rows_q], estimates.cost_usd_qm[rows_q])
            model_q[rows_q] = chosen.model_q
        choices = Choices(model_q, model_q >= 0)
        settings = {"alpha": target.alpha}
        return RoutingResult("expected_value", settings, predicted.predictions, choices)
