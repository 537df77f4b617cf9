import numpy as np
import pytest

from scope import AnchorConfig
from scope.bank.reference_population import ReferencePopulation
from scope.routing.logged import EligibleModels
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, route
from tests.factories.banks import LARGE, MIDDLE, SMALL, predictions_of

MODELS = (SMALL, MIDDLE, LARGE)
NAMES = ("small", "middle", "large")


@pytest.fixture
def predicted():
    """Forty questions like the reference population; costlier models have higher probabilities."""
    rng = np.random.default_rng(0)
    p_qm = np.sort(rng.random((80, 3)), axis=1)
    tokens_qm = rng.integers(50, 500, (80, 3)).astype(float)
    population = ReferencePopulation(AnchorConfig(), p_qm[40:], tokens_qm[40:], tokens_qm[40:])
    known = PredictionSet(predictions_of(p_qm[:40], p_qm[:40], NAMES), MODELS, population, None)
    return known.with_prices(MODELS)


def chosen(routing):
    """Names of the chosen models."""
    return [one["selected_model"] for one in routing.decisions()]


@pytest.mark.parametrize(
    "target",
    [
        Objective(alpha=0.4),
        Objective(min_quality=0.6),
        Objective(max_cost_usd=0.001),
        Objective(budget_usd=1),
    ],
)
def test_if_all_models_are_eligible_it_is_route(predicted, target):
    """
    For every policy.
    """
    offers = EligibleModels(NAMES, np.full((40, 3), True))

    assert chosen(offers.route(predicted, target)) == chosen(route(predicted, target))


def test_each_request_has_the_alpha_scale_of_its_own_models(predicted):
    """
    As if routed among them alone; the large model is not eligible for every other request.
    """
    eligible_qm = np.full((40, 3), True)
    eligible_qm[::2, 2] = False
    known = predicted.predictions.estimates
    for values_qm in (known.p_correct_qm, known.cost_usd_qm):
        values_qm[~eligible_qm] = np.nan
    got = chosen(EligibleModels(NAMES, eligible_qm).route(predicted, Objective(alpha=0.4)))

    assert got[1::2] == chosen(route(predicted, Objective(alpha=0.4)))[1::2]
    cheaper = predicted.select_models(("small", "middle"))
    assert got[::2] == chosen(route(cheaper, Objective(alpha=0.4)))[::2]
    assert got[::2] != chosen(route(predicted, Objective(alpha=0.4)))[::2]


def test_a_request_without_eligible_models_gets_none(predicted):
    """
    A new list excludes all its candidates.
    """
    eligible_qm = np.full((40, 3), True)
    eligible_qm[0] = [False, False, True]
    got = EligibleModels(NAMES, eligible_qm).route(
        predicted.select_models(("small", "middle")), Objective(alpha=0)
    )

    assert got.choices.model_q.tolist() == [-1] + [0] * 39
