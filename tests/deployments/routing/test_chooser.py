from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol.messages import Prediction
from deployments.routing.chooser import PolicyChooser
from scope.config import AnchorConfig
from scope.predictions import Predictions
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import predict_reference_population
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, route
from tests.factories.banks import two_kinds


@pytest.fixture(scope="module")
def bank():
    bank = two_kinds()
    return replace(bank, reference=predict_reference_population(bank, AnchorConfig()), version="1")


@pytest.fixture(scope="module")
def foretold(bank):
    """Estimates of forty questions."""
    rng = np.random.default_rng(1)
    rows = rng.choice(len(bank.ids), 40)
    return AnchorPredictor(bank).predict(bank.embedding_ad[rows], bank.features_af[rows])


@pytest.mark.parametrize(
    "objective",
    [
        *(Objective(alpha=alpha) for alpha in (0.0, 0.3, 0.6, 1.0)),
        Objective(min_quality=0.7),
        Objective(max_cost_usd=0.002),
    ],
    ids=str,
)
def test_decisions_are_those_of_scope_route(bank, foretold, objective):
    """
    Model, reason and every number.
    """
    estimates, near = foretold
    ids = tuple(map(str, range(40)))
    predicted = PredictionSet(
        Predictions(ids, bank.model_ids, estimates), bank.models, bank.reference, None
    )
    offline = route(predicted, objective).decisions()

    online = PolicyChooser(bank).choose(
        Prediction.from_batch(estimates, near), bank.models, objective
    )

    for there, here in zip(offline, online, strict=True):
        assert here.model == here.ranking[0] == there["selected_model"]
        assert (here.reason, here.satisfied) == (there["reason"], there["satisfied"])
        for name in ("p_correct", "cost_usd", "completion_tokens"):
            assert getattr(here.candidate(here.model), name) == there[name]


def test_prices_of_today_change_costs_and_decisions(bank, foretold):
    """
    What was foretold holds tokens; a model that becomes free is chosen by the cheapest dial.
    """
    small, large = bank.models
    free = replace_price(large)
    predictions = Prediction.from_batch(*foretold)

    before = PolicyChooser(bank).choose(predictions, (small, large), Objective(alpha=0.0))
    after = PolicyChooser(bank).choose(predictions, (small, free), Objective(alpha=0.0))

    assert {one.model for one in before} == {"small"}
    assert {one.model for one in after} == {"large"}
    assert {one.candidate("large").cost_usd for one in after} == {0.0}


def replace_price(model):
    """The same model for nothing."""
    return model.model_copy(update={"usd_per_mtok_in": 0.0, "usd_per_mtok_out": 0.0})


def test_the_runner_up_margin_is_the_gap_in_utility(bank, foretold):
    """
    Between the two best of all permitted models.
    """
    (one,) = PolicyChooser(bank).choose(
        Prediction.from_batch(*foretold)[:1], bank.models, Objective(alpha=0.5)
    )

    first, second = sorted((c.utility for c in one.candidates), reverse=True)[:2]
    assert one.margin == pytest.approx(first - second)


def test_only_permitted_models_are_candidates(bank, foretold):
    """
    In the order of the pool.
    """
    (one,) = PolicyChooser(bank).choose(
        Prediction.from_batch(*foretold)[:1], bank.models[1:], Objective(alpha=0.5)
    )

    assert [candidate.model for candidate in one.candidates] == ["large"]
    assert one.margin is None
