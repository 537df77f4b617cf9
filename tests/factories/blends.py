"""Estimates whose costs follow from their tokens, and blends: fixed and random ones."""

import numpy as np
from hypothesis import strategies as st

from scope import Estimates, ModelSpec
from scope.fusion.blend import Blend
from scope.pool import cost_usd
from scope.predictions import IntervalEstimate
from scope.reasoner.answers import ReasonerPredictions
from scope.reasoner.spec import ReasonerSpec

NAN = float("nan")
SPEC = ReasonerSpec(
    checkpoint="acme/reasoner",
    revision="1234",
    template="0" * 64,
    reasoning="none",
    samples=1,
    temperature=0.0,
    n_examples=5,
    max_context_tokens=8_192,
)


def pool(*usd_per_mtok):
    """Models m0, m1 … at these prices of a million tokens, in and out."""
    return tuple(
        ModelSpec(id=f"m{m}", usd_per_mtok_in=usd, usd_per_mtok_out=usd)
        for m, usd in enumerate(usd_per_mtok)
    )


def estimates_of(p_qm, tokens_qm, models):
    """Estimates of prompts of 1,000 tokens; intervals are ±.1 and ±half."""
    p_qm, tokens_qm = np.asarray(p_qm, dtype=float), np.asarray(tokens_qm, dtype=float)
    prompt_qm = np.full(p_qm.shape, 1_000.0)
    tokens = [tokens_qm, tokens_qm * 0.5, tokens_qm * 1.5]
    return Estimates(
        IntervalEstimate(p_qm, (p_qm - 0.1).clip(0), (p_qm + 0.1).clip(max=1)),
        prompt_qm,
        IntervalEstimate(*tokens),
        IntervalEstimate(*(cost_usd(models, prompt_qm, end_qm) for end_qm in tokens)),
        np.ones(p_qm.shape),
    )


def blend_of(n_models=2, **changed):
    """A blend that takes the reasoner's probabilities as they are, and no lengths."""
    settings = {
        "weight": 1.0,
        "slope": 1.0,
        "baseline_log_odds_m": np.zeros(n_models),
        "low": -4.0,
        "high": 4.0,
        "length_weight": 0.0,
        "baseline_log_ratio_m": np.full(n_models, NAN),
        "shift_std": 1.0,
        "ratio_std": 0.0,
    }
    return Blend(**{**settings, **changed})


def reasoner_predictions(p_yes_qm, tokens_qm=None):
    """Answers with these probabilities; lengths are NaN unless given."""
    p_yes_qm = np.asarray(p_yes_qm, dtype=float)
    tokens_qm = np.full(p_yes_qm.shape, NAN) if tokens_qm is None else tokens_qm
    return ReasonerPredictions(p_yes_qm, np.asarray(tokens_qm, dtype=float))


probabilities = st.one_of(st.sampled_from([NAN, 0.0, 0.5, 1.0]), st.floats(0, 1))
counts = st.one_of(st.sampled_from([NAN, 0.0, 100.0]), st.floats(0, 1e5))
centers = st.one_of(st.sampled_from([NAN, 0.0]), st.floats(-3, 3))


@st.composite
def random_cases(draw, n_questions=1):
    """A blend, its models, estimates and answers; with ties, NaN and free models."""
    n_models = draw(st.integers(1, 5))
    row = {"min_size": n_models, "max_size": n_models}
    prices = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.01, 50))
    models = pool(*draw(st.lists(prices, **row)))
    grids = [
        np.array([draw(st.lists(cells, **row)) for _ in range(n_questions)])
        for cells in (probabilities, counts, probabilities, counts)
    ]
    low, high = sorted([draw(st.floats(-4, 0)), draw(st.floats(0, 4))])
    blend = Blend(
        weight=draw(st.one_of(st.just(0.0), st.floats(0.01, 3))),
        slope=draw(st.one_of(st.just(1.0), st.floats(0, 2))),
        baseline_log_odds_m=np.array(draw(st.lists(centers, **row))),
        low=low,
        high=high,
        length_weight=draw(st.one_of(st.just(0.0), st.floats(0.01, 1))),
        baseline_log_ratio_m=np.array(draw(st.lists(centers, **row))),
        shift_std=draw(st.floats(0, 3)),
        ratio_std=draw(st.floats(0, 1)),
    )
    return (
        blend,
        models,
        estimates_of(grids[0], grids[1], models),
        ReasonerPredictions(grids[2], grids[3]),
    )
