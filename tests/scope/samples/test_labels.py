from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope.errors import ConfigError, EvaluationError, UnknownModelError
from scope.pool import ModelSpec
from scope.samples import (
    ArmScores,
    Samples,
    arm_costs,
    best_match_margin,
    best_of_n_scores,
    draw_weights,
    match_labels,
    mean_difference,
)

SCORES = st.one_of(st.integers(0, 4).map(float), st.just(np.nan))


def samples_of(score_qmo, models=("small", "large"), tokens=None, **more):
    """Samples with the given `correct` scores; each response has 10 tokens unless told."""
    score_qmo = np.asarray(score_qmo, dtype=float)
    n = len(score_qmo)
    tokens = np.where(np.isnan(score_qmo), np.nan, 10.0) if tokens is None else np.asarray(tokens)
    return Samples(
        tuple(f"q{q}" for q in range(n)),
        tuple(f"prompt {q}" for q in range(n)),
        tuple(models),
        {"correct": score_qmo, **more},
        np.full(score_qmo.shape[:2], 100.0),
        tokens.astype(float),
    )


def pairwise(score_qmo, reference_qo, margin):
    """The published formula, pair by pair."""
    labels = np.full(score_qmo.shape[:2], np.nan)
    for q in range(len(score_qmo)):
        for m in range(score_qmo.shape[1]):
            pairs = [
                float(a >= b - margin)
                for a in score_qmo[q, m]
                for b in reference_qo[q]
                if a == a and b == b
            ]
            if pairs:
                labels[q, m] = sum(pairs) / len(pairs)
    return labels


@given(arrays(float, (3, 2, 4), elements=SCORES), arrays(float, (3, 3), elements=SCORES))
def test_labels_equal_a_loop_over_all_pairs(score_qmo, reference_qo):
    """
    With ties, margins and missing samples.
    """
    for margin in (0.0, 1.0, 1.5):
        np.testing.assert_allclose(
            match_labels(score_qmo, reference_qo, margin),
            pairwise(score_qmo, reference_qo, margin),
            atol=1e-12,
        )


@settings(max_examples=50)
@given(
    arrays(float, 5, elements=st.integers(0, 3).map(float)),
    arrays(float, 5, elements=st.integers(0, 3).map(float)),
    st.integers(1, 5),
)
def test_best_of_n_equals_the_mean_over_all_subsets(score_o, selector_o, n):
    """
    A subset's answer is the mean of the samples that share its best selector score.
    """
    picks = []
    for subset in combinations(range(5), n):
        best = max(selector_o[list(subset)])
        picks.append(np.mean([score_o[i] for i in subset if selector_o[i] == best]))

    assert best_of_n_scores(score_o, selector_o, n) == pytest.approx(np.mean(picks))


def test_best_of_n_labels_equal_the_mean_over_all_subsets():
    """
    Best of 3 of 6 samples against 4 samples of the reference: 20 subsets with 4 pairs each.
    """
    rng = np.random.default_rng(0)
    score_qmo, selector_qmo = rng.normal(size=(2, 1, 1, 6))
    reference_qo = rng.normal(size=(1, 4))
    picks = [
        max(subset, key=lambda i: selector_qmo[0, 0, i]) for subset in combinations(range(6), 3)
    ]
    picked = score_qmo[:, :, picks]

    label = match_labels(score_qmo, reference_qo, 0.1, draw_weights(selector_qmo, 3))

    assert label[0, 0] == pytest.approx(pairwise(picked, reference_qo, 0.1)[0, 0])


def test_equal_selector_scores_share_the_weight_of_their_ranks():
    """
    Of three equal samples, each is the best of two in a third of the draws.
    """
    assert draw_weights(np.array([[5.0, 5.0, 5.0]]), 2).tolist() == [[1 / 3, 1 / 3, 1 / 3]]


def test_a_prompt_with_fewer_samples_than_drawn_has_no_label():
    """
    Unknown, not a label from fewer samples.
    """
    assert np.isnan(draw_weights(np.array([[1.0, np.nan]]), 2)).all()


def test_hard_labels_use_the_first_sample():
    """
    small 0.4 against large 0.5: no match, and a match with a margin of 0.2.
    """
    scores = ArmScores.of(samples_of([[[0.4, 1.0], [0.5, 0.0]]]), "large")

    assert scores.labels("det_2cls").tolist() == [[0.0]]
    assert scores.labels("det_2cls", 0.2).tolist() == [[1.0]]
    assert scores.labels("det_nlabels", 0.2).tolist() == [[0.0, 1.0]]
    assert scores.labels("det_ncls").tolist() == [[0.0, 1.0]]
    assert scores.labels("prob_2cls").tolist() == [[0.75]]


def test_the_first_answer_of_best_of_n_is_the_pick_among_the_first_n():
    """
    The selector prefers the second of two samples; the third is not drawn.
    """
    samples = samples_of(
        [[[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]],
        proxy=np.array([[[0.1, 0.2, 0.9], [0.0, 0.0, 0.0]]]),
    )
    scores = ArmScores.of(samples, "large", ["small@2"], selector="proxy")

    assert scores.labels("det_2cls").tolist() == [[1.0]]
    assert scores.quality().round(3).tolist() == [[0.333, 1.0]]


def test_a_measured_column_wins_over_a_derived_arm():
    """
    `small@2` is a column here, so that no selector is needed.
    """
    samples = samples_of([[[1.0], [0.0]]], models=("small@2", "large"))

    assert ArmScores.of(samples, "large").labels("prob_nlabels").tolist() == [[1.0]]


def test_the_reference_is_last_wherever_it_stands():
    """
    Arms keep their order.
    """
    samples = samples_of(np.zeros((1, 3, 1)), models=("b", "ref", "a"))

    arms = ArmScores.of(samples, "ref", ["a", "ref", "b"]).arms

    assert [str(arm) for arm in arms] == ["a", "b", "ref"]


def test_labels_that_cannot_be_made_are_sentences():
    """
    A missing selector, too many samples, an unknown model, and two classes of three arms.
    """
    samples = samples_of(np.zeros((1, 3, 2)), models=("a", "b", "ref"), proxy=np.zeros((1, 3, 2)))

    with pytest.raises(ConfigError, match="arm a@2 needs a selector"):
        ArmScores.of(samples, "ref", ["a@2"])
    with pytest.raises(ConfigError, match="draws 3 samples, and no prompt has more than 2"):
        ArmScores.of(samples, "ref", ["a@3"], selector="proxy")
    with pytest.raises(UnknownModelError, match="c"):
        ArmScores.of(samples, "ref", ["c"])
    with pytest.raises(ConfigError, match="prob_2cls compares one arm"):
        ArmScores.of(samples, "ref").labels("prob_2cls")
    with pytest.raises(ConfigError, match="no scores 'x'; they have correct, proxy"):
        ArmScores.of(samples, "ref", scorer="x")
    with pytest.raises(EvaluationError, match="judge and selector are both 'proxy'"):
        ArmScores.of(samples, "ref", ["a@2"], scorer="proxy", selector="proxy")


@given(arrays(float, st.integers(1, 8), elements=st.integers(0, 5).map(float)))
def test_the_mean_difference_equals_a_loop_over_all_pairs(value_n):
    """
    Pairs of an item with itself count, as in the paper.
    """
    expected = np.mean([abs(a - b) for a in value_n for b in value_n])

    assert mean_difference(value_n) == pytest.approx(expected)


def test_the_margin_moves_labels_to_an_even_split():
    """
    The large model is better by 1, 2, 3 and 4 on four prompts: t* splits them two by two.
    """
    score_qmo = -np.array([1.0, 2.0, 3.0, 4.0])[:, None, None]

    best = best_match_margin(score_qmo, np.zeros((4, 1)))

    assert 2.0 <= best.margin < 3.0
    assert (best.spread, best.spread_at_zero) == (0.5, 0.0)
    assert match_labels(score_qmo, np.zeros((4, 1)), best.margin).ravel().tolist() == [1, 1, 0, 0]


def test_a_margin_on_single_grades_is_said_to_change_nothing():
    """
    Scores of 0 and 1, one sample each.
    """
    samples = samples_of([[[0.0], [1.0]], [[1.0], [1.0]]])

    best = ArmScores.of(samples, "large").best_margin("prob_2cls")

    assert best.margin == 0.0
    assert "a margin below 1 changes no label" in best.note


def test_costs_come_from_mean_lengths_of_training_prompts():
    """
    100 prompt tokens at 1 USD and n * 20 at 2 USD per million; the test prompt's 1000 are unseen.
    """
    tokens = [[[10.0, 30.0]], [[1000.0, 1000.0]]]
    samples = samples_of(np.zeros((2, 1, 2)), models=("m",), tokens=tokens)
    spec = ModelSpec(id="m", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0)

    cost_qm = arm_costs(
        samples, [samples.arm("m"), samples.arm("m@5")], {"m": spec}, np.array([True, False])
    )

    assert (cost_qm * 1e6).round(6).tolist() == [[140.0, 300.0], [140.0, 300.0]]
