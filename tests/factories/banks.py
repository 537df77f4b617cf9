"""Small banks and predictions with numbers that are checked by hand."""

from dataclasses import replace

import numpy as np

from scope import Bank, Estimates, ModelSpec, Predictions
from scope.bank import GainInterval, RoutingGain
from scope.embedding.spec import EmbedderSpec
from scope.embedding.text_features import FEATURES
from scope.outcomes import Outcomes
from scope.policy import BillRatio
from scope.predictions import IntervalEstimate

SMALL = ModelSpec(id="small", usd_per_mtok_in=0.1, usd_per_mtok_out=0.2)
LARGE = ModelSpec(id="large", usd_per_mtok_in=3.0, usd_per_mtok_out=15.0)
MIDDLE = ModelSpec(id="middle", usd_per_mtok_in=0.5, usd_per_mtok_out=1.5)


def unit(rows):
    """Rows scaled to length 1."""
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def bank_of(correct_am, *, models=(SMALL, LARGE), embedding=None, tokens=100.0, prompts=None):
    """A bank with these outcomes; anchor ``i`` has 10 * (i + 1) characters and prompt tokens."""
    correct_am = np.asarray(correct_am, dtype=np.float64)
    n, _ = correct_am.shape
    if embedding is None:
        embedding = unit(np.random.default_rng(0).standard_normal((n, 4)))
    features = np.zeros((n, len(FEATURES)))
    features[:, 0] = 10.0 * np.arange(1, n + 1)
    measured = np.where(np.isnan(correct_am), np.nan, 1.0)
    ids = tuple(f"a{i}" for i in range(n))
    return Bank(
        ids=ids,
        categories=("",) * n,
        prompts=prompts,
        gold_answers=(None,) * n,
        embedding_ad=embedding,
        features_af=features,
        models=models,
        outcomes=Outcomes(
            tuple(m.id for m in models),
            correct_am,
            measured * features[:, [0]],
            measured * tokens,
        ),
        embedder=EmbedderSpec(name="hand-made", revision="1", dimension=embedding.shape[1]),
    )


def predictions_of(p_qm, cost_qm, models=None):
    """Predictions with these probabilities and costs; intervals have width 0."""
    p_qm, cost_qm = np.asarray(p_qm, dtype=float), np.asarray(cost_qm, dtype=float)
    tokens = np.full(p_qm.shape, 100.0)
    in_distribution = np.full(p_qm.shape, np.nan)
    estimates = Estimates(
        IntervalEstimate(p_qm, p_qm, p_qm),
        tokens,
        IntervalEstimate(tokens, tokens, tokens),
        IntervalEstimate(cost_qm, cost_qm, cost_qm),
        in_distribution,
    )
    names = models or tuple(f"m{m}" for m in range(p_qm.shape[1]))
    return Predictions(tuple(f"q{q:03d}" for q in range(len(p_qm))), names, estimates)


def labelled_pair(n_anchors=40, n_questions=40, *, seed=0, models=(SMALL, LARGE)):
    """A bank and labelled questions of two kinds; the first model is right on one kind only.

    The sign of the embedding gives the kind; the last model is right on nine of ten.
    """
    rng = np.random.default_rng(seed)
    n = n_anchors + n_questions
    easy = rng.random(n) < 0.5
    embedding = unit(np.column_stack([np.where(easy, 1, -1), 0.3 * rng.standard_normal((n, 3))]))
    right = [easy & (rng.random(n) < 0.9)] * (len(models) - 1) + [rng.random(n) < 0.9]
    whole = bank_of(np.column_stack(right), models=models, embedding=embedding)
    return rows_of(whole, slice(0, n_anchors)), rows_of(whole, slice(n_anchors, n))


def rows_of(bank, rows):
    """The bank of some of its questions."""
    ids = tuple(np.array(bank.ids)[rows].tolist())
    values = bank.outcomes
    return replace(
        bank,
        ids=ids,
        categories=tuple(np.array(bank.categories)[rows].tolist()),
        gold_answers=(None,) * len(ids),
        prompts=bank.prompts and tuple(np.array(bank.prompts)[rows].tolist()),
        embedding_ad=bank.embedding_ad[rows],
        features_af=bank.features_af[rows],
        outcomes=Outcomes(
            values.models,
            values.correct_am[rows],
            values.prompt_tokens_am[rows],
            values.completion_tokens_am[rows],
        ),
    )


def with_correct(bank, correct_am):
    """The same bank with other outcomes; NaN is never run."""
    correct_am = np.asarray(correct_am, dtype=np.float64)
    gap = np.where(np.isnan(correct_am), np.nan, 0.0)
    values = bank.outcomes
    outcomes = Outcomes(
        values.models,
        correct_am,
        values.prompt_tokens_am + gap,
        values.completion_tokens_am + gap,
    )
    return replace(bank, outcomes=outcomes)


def two_kinds(n_anchors=60, *, seed=0, models=(SMALL, LARGE)):
    """A bank to fit: maths and law differ in embedding, text, outcomes and lengths.

    The first model is right on nine of ten questions of maths and one of ten of law, the
    others on nine of ten of both; law takes 100 tokens, maths 400, each up to a factor e.
    Every number is exact in the precision of a stored bank.
    """
    rng = np.random.default_rng(seed)
    maths = rng.random(n_anchors) < 0.5
    embedding = unit(
        np.column_stack([np.where(maths, 1, -1), 0.5 * rng.standard_normal((n_anchors, 7))])
    )
    right = [np.where(maths, 0.9, 0.1)] + [np.full(n_anchors, 0.9)] * (len(models) - 1)
    grid = (n_anchors, len(models))
    tokens = np.where(maths, 400, 100)[:, None] * np.exp(rng.uniform(0, 1, grid))
    bank = bank_of(
        rng.random(grid) < np.column_stack(right),
        models=models,
        embedding=embedding.astype(np.float16).astype(np.float32),
        tokens=tokens.round(),
    )
    features = bank.features_af.copy()
    features[:, FEATURES.index("n_operators")] = np.where(maths, 5, 0)
    categories = tuple(np.where(maths, "maths", "law").tolist())
    return replace(bank, categories=categories, features_af=features)


def gain_of(low):
    """A finding on routing whose interval over the best mix begins at `low`."""
    interval = GainInterval(value=low + 0.01, low=low, high=low + 0.02)
    return RoutingGain(
        over_mix=interval,
        over_single=interval,
        n_anchors=100,
        model="small",
        accuracy=0.5,
        usd_per_1k=1.0,
    )


def bill_ratio_of(*ratios):
    """Exact ratios of real to planned bills: one everywhere, or one for each point of the scale."""
    ratios = ratios * 11 if len(ratios) == 1 else ratios
    return BillRatio(ratios=ratios, standard_errors=(0.0,) * 11, n_anchors=100)
