"""Logged decisions, and the models that were eligible for each request."""

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
    """Decisions of a routing file or a decision log.

    Attributes
    ----------
    objectives : tuple of Objective
        The distinct objectives.
    models : tuple of str
        The models that could be chosen.
    model_of : dict of str to (str or None)
        Chosen model by question id; None without an estimate.
    """

    objectives: tuple[Objective, ...]
    models: tuple[str, ...]
    model_of: dict[str, str | None]

    @property
    def objective(self) -> Objective:
        """The objective of all decisions.

        Raises
        ------
        ConfigError
            If there is more than one.
        """
        if len(self.objectives) > 1:
            raise ConfigError(
                f"the logged requests have {len(self.objectives)} different objectives; name "
                "one for the replay: --alpha, --budget, --min-quality or --max-cost"
            )
        return self.objectives[0]

    @classmethod
    def load(cls, path: Path) -> "LoggedDecisions":
        """Read a routing file.

        Raises
        ------
        FormatError
            If ``scope route`` did not write it, or wrote it for a reference policy.
        """
        log = read_json(path)
        try:
            derived = ("trade_off", "optimal_alpha")
            settings = {k: v for k, v in log["settings"].items() if k not in derived}
            decisions = log["result"]["routing_decisions"]
            model_of = {
                str(decision["question_id"]): _name(decision["selected_model"])
                for decision in decisions
            }
            models = tuple(map(str, log["models"]))
            return cls((Objective(**settings),), models, model_of)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise FormatError(
                f"{path} is not a routing file of `scope route`; expected settings, models "
                "and routing_decisions"
            ) from error

    def choices(self, predicted: PredictionSet) -> Choices:
        """Return the decisions as indices among the models of `predicted`.

        Raises
        ------
        FormatError
            If they are for other questions.
        UnknownModelError
            If a chosen model has no predictions.
        """
        ids = predicted.predictions.question_ids
        if set(ids) != set(self.model_of) or len(ids) != len(self.model_of):
            raise FormatError(
                f"the routing has {len(self.model_of):,} questions, the predictions have "
                f"{len(ids):,} and other ids; a replay needs the predictions of the routing"
            )
        chosen = [self.model_of[question_id] for question_id in ids]
        known = tuple(sorted({model for model in chosen if model is not None}))
        index_of = dict(
            zip(
                known,
                indices_of(known, predicted.predictions.models, "the predictions"),
                strict=True,
            )
        )
        model_q = np.array([-1 if model is None else index_of[model] for model in chosen])
        return Choices(model_q, model_q >= 0)


@dataclass(frozen=True, slots=True)
class EligibleModels:
    """The models that were eligible for each question.

    Attributes
    ----------
    models : tuple of str
    eligible_qm : ndarray of bool, shape (n_questions, n_models)
    """

    models: tuple[str, ...]
    eligible_qm: BoolArray

    def route(self, predicted: PredictionSet, objective: Objective) -> RoutingResult:
        """Choose for every question as the endpoint does: with the alpha scale of its own models.

        If all models are eligible, this is `scope.routing.route.route`.

        Parameters
        ----------
        predicted : PredictionSet
            Of the same questions and some of the models; NaN where a model was not eligible.
        objective : Objective

        Raises
        ------
        The errors of `scope.routing.route.route`.
        """
        if objective.alpha is None:
            return route(predicted, objective)
        columns = indices_of(predicted.model_ids, self.models, "the log")
        set_nm, set_q = np.unique(self.eligible_qm[:, columns], axis=0, return_inverse=True)
        estimates = predicted.predictions.estimates
        model_q = np.full(len(set_q), -1)
        for n, eligible_m in enumerate(set_nm):
            if not eligible_m.any():
                continue
            eligible = tuple(np.array(predicted.model_ids)[eligible_m].tolist())
            pool = predicted.select_models(eligible)
            scale = fit_alpha_scale(pool.reference, pool.models)
            policy = ExpectedValue(scale.trade_off(objective.alpha))
            rows_q = set_q == n
            chosen = policy.choose(estimates.p_correct_qm[rows_q], estimates.cost_usd_qm[rows_q])
            model_q[rows_q] = chosen.model_q
        choices = Choices(model_q, model_q >= 0)
        settings = {"alpha": objective.alpha}
        return RoutingResult("expected_value", settings, predicted.predictions, choices)


def _name(model: object) -> str | None:
    """Return the name of a chosen model; None where none was chosen."""
    if model is not None and not isinstance(model, str):
        raise TypeError(f"selected_model is {model!r:.40}")
    return model
