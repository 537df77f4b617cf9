from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol.messages import Prediction
from deployments.routing.chooser import PolicyChooser
from scope.arms import sampled_spec
from scope.config import AnchorConfig
from scope.pool import Resampling
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
def estimated(bank):
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
def test_decisions_are_those_of_scope_route(bank, estimated, objective):
    """
    Model, reason and every number.
    """
    estimates, near = estimated
    ids = tuple(map(str, range(40)))
    predicted = PredictionSet(
        Predictions(ids, bank.model_ids, estimates), bank.models, bank.reference, None
    )
    offline = route(predicted, objective).decisions()

    online = PolicyChooser(bank).choose(
        Prediction.from_batch(estimates, near), bank.models, objective
    )

    for route_decision, decision in zip(offline, online, strict=True):
        assert decision.model == decision.ranking[0] == route_decision["selected_model"]
        assert (decision.reason, decision.satisfied) == (
            route_decision["reason"],
            route_decision["satisfied"],
        )
        for name in ("p_correct", "cost_usd", "completion_tokens"):
            assert getattr(decision.candidate(decision.model), name) == route_decision[name]


def with_samples(bank, source="fitted"):
    """The bank whose first model has known samples."""
    known = Resampling(concentration=2.0, odds=3.0, selector="majority", source=source)
    small, large = bank.models
    return replace(bank, models=(small.model_copy(update={"resampling": known}), large))


@pytest.mark.parametrize(
    "objective", [Objective(alpha=0.4), Objective(min_quality=0.7), Objective(max_cost_usd=2e-4)]
)
def test_several_samples_are_chosen_as_scope_route_chooses_them(bank, estimated, objective):
    """
    The pool has one sample, three and the large model.
    """
    bank = with_samples(bank)
    pool = ("small", "small@3", "large")
    estimates, near = estimated
    ids = tuple(map(str, range(40)))
    predicted = PredictionSet(
        Predictions(ids, bank.model_ids, estimates), bank.models, bank.reference, None
    ).select_models(pool)
    offline = route(predicted, objective).decisions()

    online = PolicyChooser(bank).choose(
        Prediction.from_batch(estimates, near), predicted.models, objective
    )

    chosen = [decision.model for decision in online]
    assert chosen == [decision["selected_model"] for decision in offline]
    assert "small@3" in chosen
    for route_decision, decision in zip(offline, online, strict=True):
        for name in ("p_correct", "cost_usd", "completion_tokens"):
            got = getattr(decision.candidate(decision.model), name)
            assert got == pytest.approx(route_decision[name], rel=1e-12)


@pytest.mark.parametrize(
    ("source", "assumed"),
    [("fitted", ()), ("assumed", ("small@3",))],
)
def test_a_decision_names_arms_whose_samples_are_assumed(bank, estimated, source, assumed):
    """
    In the answer of ``/v1/route``, too.
    """
    bank = with_samples(bank, source)
    small = bank.models[0]
    arms = (small, sampled_spec(small, 3))

    decisions = PolicyChooser(bank).choose(
        Prediction.from_batch(*estimated), arms, Objective(alpha=0.5)
    )

    assert {decision.assumed for decision in decisions} == {assumed}
    assert decisions[0].to_json()["assumed"] == list(assumed)


def test_current_prices_change_costs_and_decisions(bank, estimated):
    """
    Predictions hold tokens; at alpha 0 a model that becomes free is chosen.
    """
    small, large = bank.models
    free = without_price(large)
    predictions = Prediction.from_batch(*estimated)

    before = PolicyChooser(bank).choose(predictions, (small, large), Objective(alpha=0.0))
    after = PolicyChooser(bank).choose(predictions, (small, free), Objective(alpha=0.0))

    assert {decision.model for decision in before} == {"small"}
    assert {decision.model for decision in after} == {"large"}
    assert {decision.candidate("large").cost_usd for decision in after} == {0.0}


def without_price(model):
    """The same model, free of charge."""
    return model.model_copy(update={"usd_per_mtok_in": 0.0, "usd_per_mtok_out": 0.0})


def test_the_margin_is_the_difference_in_utility(bank, estimated):
    """
    Between the two best eligible models.
    """
    (decision,) = PolicyChooser(bank).choose(
        Prediction.from_batch(*estimated)[:1], bank.models, Objective(alpha=0.5)
    )

    first, second = sorted((c.utility for c in decision.candidates), reverse=True)[:2]
    assert decision.margin == pytest.approx(first - second)


def test_only_eligible_models_are_candidates(bank, estimated):
    """
    In the order of the pool.
    """
    (decision,) = PolicyChooser(bank).choose(
        Prediction.from_batch(*estimated)[:1], bank.models[1:], Objective(alpha=0.5)
    )

    assert [candidate.model for candidate in decision.candidates] == ["large"]
    assert decision.margin is None
