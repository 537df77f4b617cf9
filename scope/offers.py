"""Which models each question could get, and a dial for every set of them."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray
from scope.policy import Choices, ExpectedValue
from scope.pool import indices_of
from scope.predicted_set import PredictionSet
from scope.router import Objective, route
from scope.routing import RoutingResult


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

        Without rules this is `scope.router.route`.

        Parameters
        ----------
        predicted : PredictionSet
            Of the same questions and some of the models; NaN where a model was not offered.
        target : Objective

        Raises
        ------
        As `scope.router.route`.
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
            policy = ExpectedValue(
                predicted.select_models(offered).alpha_scale().trade_off(target.alpha)
            )
            rows_q = set_q == s
            chosen = policy.choose(estimates.p_correct_qm[rows_q], estimates.cost_usd_qm[rows_q])
            model_q[rows_q] = chosen.model_q
        choices = Choices(model_q, model_q >= 0)
        settings = {"alpha": target.alpha}
        return RoutingResult("expected_value", settings, predicted.predictions, choices)
