import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import AnchorConfig, AnchorPredictor
from scope.embedding.text_features import FEATURES
from scope.forecast.neighbour_statistics import model_means
from scope.predictions import COLUMNS
from scope.predictor.reference_population import fit_bank, predict_reference_population
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, two_kinds, unit

SAME = unit([[1, 0, 0, 0]] * 10)
"""Ten anchors with the same embedding."""


def features(n_chars=100.0, n=1):
    rows = np.zeros((n, len(FEATURES)))
    rows[:, 0] = n_chars
    return rows


def predict(bank, query=(1, 0, 0, 0), **config):
    return AnchorPredictor(bank, AnchorConfig(**config)).predict(unit([query]), features())[0]


def test_probability_is_the_posterior_mean():
    """
    Ten equal anchors, 8 correct, prior of 10 pseudo-counts at the model's mean.
    The other model: 2 correct. Both means are first shrunk toward .5:
    (8 + 5) / 20 = .65, then (10 * .8 + 10 * .65) / 20 = .725.
    """
    correct = np.array([[1, 1]] * 2 + [[1, 0]] * 6 + [[0, 0]] * 2)

    got = predict(bank_of(correct, embedding=SAME))

    np.testing.assert_allclose(got.p_correct_qm, [[0.725, 0.275]])


def test_cost_includes_the_prompt():
    """
    100 characters are 100 prompt tokens in this bank; 100 completion tokens.
    small: (100 * .1 + 100 * .2) / 1e6; large: (100 * 3 + 100 * 15) / 1e6.
    """
    got = predict(bank_of(np.ones((10, 2)), embedding=SAME))

    np.testing.assert_allclose(got.prompt_tokens_qm, [[100, 100]], rtol=1e-6)
    np.testing.assert_allclose(got.cost_usd_qm, [[30e-6, 1800e-6]], rtol=1e-6)


def test_more_evidence_narrows_the_interval():
    """
    A hundred anchors against ten.
    """
    few = predict(bank_of([[1, 0], [0, 1]] * 5, embedding=unit([[1, 0, 0, 0]] * 10)))
    many = predict(bank_of([[1, 0], [0, 1]] * 50, embedding=unit([[1, 0, 0, 0]] * 100)))

    assert (
        many.p_correct.high_qm - many.p_correct.low_qm
        < few.p_correct.high_qm - few.p_correct.low_qm
    ).all()


def test_near_anchors_have_more_weight_than_far_ones():
    """
    The model is correct near the question and wrong far from it.
    """
    embedding = unit([[1, 0, 0, 0]] * 5 + [[1, 3, 0, 0]] * 5)
    bank = bank_of([[1, 1]] * 5 + [[0, 0]] * 5, embedding=embedding)

    near, far = predict(bank), predict(bank, query=(1, 3, 0, 0))

    assert near.p_correct_qm[0, 0] > 0.6 > 0.4 > far.p_correct_qm[0, 0]


def test_a_model_never_measured_stays_unknown():
    """
    NaN in every estimate.
    """
    got = predict(bank_of([[1, np.nan]] * 10, embedding=SAME))

    assert got.p_correct_qm[0, 0] > 0.5
    assert all(np.isnan(got.to_columns()[name][0, 1]) for name in COLUMNS)


def test_a_model_without_measured_neighbours_gets_its_mean():
    """
    Its mean over the bank, with a wide interval.
    """
    embedding = unit([[1, 0, 0, 0]] * 5 + [[-1, 0, 0, 0]] * 20)
    bank = bank_of([[1, np.nan]] * 5 + [[np.nan, 0]] * 20, embedding=embedding)

    got = predict(bank)

    # Common mean: 1 with weight 5/15 and 0 with weight 20/30 make 1/3. Ten pseudo-counts at
    # that and 20 wrong answers: (10 / 3) / 30.
    np.testing.assert_allclose(got.p_correct_qm[0, 1], 1 / 9)
    assert got.completion_tokens.low_qm[0, 1] == got.completion_tokens_qm[0, 1] == 100
    assert got.p_correct.high_qm[0, 1] - got.p_correct.low_qm[0, 1] > 0.25


def test_three_lucky_answers_do_not_favour_a_model():
    """
    A model with 3 of 3 correct has a lower bound below one with 95 of 100.
    """
    correct = np.full((100, 2), np.nan)
    correct[:, 0] = [1] * 95 + [0] * 5
    correct[:3, 1] = 1
    got = predict(bank_of(correct, embedding=unit([[1, 0, 0, 0]] * 100)))

    assert got.p_correct_qm[0, 1] < 1
    assert got.p_correct.low_qm[0, 1] < got.p_correct.low_qm[0, 0]


def test_an_anchor_is_left_out_of_its_own_prediction():
    """
    The only correct answer of the bank is its own.
    """
    correct = np.zeros((10, 2))
    correct[0] = 1
    bank = bank_of(correct, embedding=SAME)
    predictor = AnchorPredictor(bank, AnchorConfig(prior_strength=1e-9))

    with_itself, _ = predictor.predict(SAME[:1], features())
    without, neighbours = predictor.predict(SAME[:1], features(), np.array([0]))

    np.testing.assert_allclose(with_itself.p_correct_qm, 0.1, atol=1e-6)
    np.testing.assert_allclose(without.p_correct_qm, 0.0, atol=1e-6)
    assert 0 not in neighbours.anchor_qk


def test_a_question_that_is_not_an_anchor_keeps_all_neighbours():
    """
    An index of -1 leaves nothing out.
    """
    bank = random_bank(3, 150)
    queries, rows = unit(np.random.default_rng(9).standard_normal((4, 8))), features(n=4)
    predictor = AnchorPredictor(bank)

    plain, _ = predictor.predict(queries, rows)
    marked, _ = predictor.predict(queries, rows, np.full(4, -1))

    np.testing.assert_array_equal(marked.p_correct_qm, plain.p_correct_qm)


def test_prompt_tokens_follow_each_tokenizer():
    """
    A model with twice as many prompt tokens in the bank has twice as many in a new prompt.
    """
    bank = bank_of(np.ones((10, 2)), embedding=SAME)
    bank.outcomes.prompt_tokens_am[:, 1] *= 2

    got = predict(bank)

    np.testing.assert_allclose(got.prompt_tokens_qm, [[100, 200]], rtol=1e-6)


def test_no_question_gives_no_row():
    """
    An empty batch is not an error.
    """
    predictor = AnchorPredictor(bank_of(np.ones((10, 2)), embedding=SAME))

    got, near = predictor.predict(np.empty((0, 4), np.float32), features(n=0))

    assert got.p_correct_qm.shape == (0, 2)
    assert near.anchor_qk.shape[0] == 0


def test_a_bank_of_one_anchor_has_a_reference_population():
    """
    Without neighbours, the prediction is each model's mean.
    """
    reference = predict_reference_population(bank_of([[1, 0]], embedding=SAME[:1]), AnchorConfig())

    np.testing.assert_allclose(reference.p_correct_qm, [[6 / 11, 5 / 11]])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param([[1.0], [0.0]], [0.5], id="one model is its own pool"),
        pytest.param([[1.0, 0.0]] * 10, [0.75, 0.25], id="shrunk toward the common mean"),
        pytest.param([[np.nan], [np.nan]], [np.nan], id="never measured"),
    ],
)
def test_model_means(outcomes, expected):
    """
    Ten pseudo-counts at the mean of all models.
    """
    np.testing.assert_allclose(model_means(np.array(outcomes), 10.0), expected)


def random_bank(seed, n_anchors, models=(SMALL, MIDDLE, LARGE)):
    rng = np.random.default_rng(seed)
    correct = (rng.random((n_anchors, len(models))) < 0.6).astype(float)
    correct[rng.random(correct.shape) < 0.2] = np.nan
    correct[0] = 1
    return bank_of(
        correct,
        models=models,
        embedding=unit(rng.standard_normal((n_anchors, 8))),
        tokens=rng.integers(1, 2000, (n_anchors, len(models))).astype(float),
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12))
def test_estimates_are_in_range_and_independent_of_the_batch(seed, n_anchors, n_questions):
    """
    Probabilities within [0, 1] and inside their interval, tokens and cost positive,
    and every number the same to the last bit, alone and in a batch.
    """
    bank = random_bank(seed, n_anchors)
    queries = unit(np.random.default_rng(seed + 1).standard_normal((n_questions, 8)))
    rows = features(np.arange(1.0, n_questions + 1), n_questions)
    predictor = AnchorPredictor(bank)

    got, _ = predictor.predict(queries, rows)

    assert ((got.p_correct.low_qm >= 0) & (got.p_correct.low_qm <= got.p_correct_qm)).all()
    assert ((got.p_correct.high_qm <= 1) & (got.p_correct.high_qm >= got.p_correct_qm)).all()
    assert (got.prompt_tokens_qm >= 1).all()
    assert (got.cost_usd_qm > 0).all()
    assert (got.cost_usd.low_qm <= got.cost_usd.high_qm).all()
    for q in range(n_questions):
        alone, _ = predictor.predict(queries[[q]], rows[[q]])
        for name in COLUMNS:
            np.testing.assert_array_equal(got.to_columns()[name][[q]], alone.to_columns()[name])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.permutations([0, 1, 2]))
def test_the_order_of_the_pool_changes_nothing(seed, order):
    """
    Each model's estimate is the same at any index.
    """
    bank = random_bank(seed, 40)
    shuffled = bank.select_models(tuple(bank.model_ids[m] for m in order))
    queries, rows = unit(np.random.default_rng(seed).standard_normal((3, 8))), features(n=3)

    got, _ = AnchorPredictor(bank).predict(queries, rows)
    moved, _ = AnchorPredictor(shuffled).predict(queries, rows)

    for name in COLUMNS:
        np.testing.assert_allclose(
            moved.to_columns()[name], got.to_columns()[name][:, order], rtol=1e-12
        )


def test_a_fitted_bank_predicts_with_its_forecaster(one_thread):
    """
    Its anchors get leave-one-out predictions; the reported neighbours do not change.
    """
    plain = two_kinds()
    bank = fit_bank(plain)
    questions = bank.embedding_ad, bank.features_af, np.arange(60)

    got, near = AnchorPredictor(bank).predict(*questions)
    knn, knn_near = AnchorPredictor(plain).predict(*questions)

    np.testing.assert_array_equal(got.p_correct_qm, bank.forecaster.loo_p_nm.clip(0.01, 0.99))
    np.testing.assert_array_equal(near.anchor_qk, knn_near.anchor_qk)
    np.testing.assert_array_equal(got.prompt_tokens_qm, knn.prompt_tokens_qm)
    assert (got.in_distribution_qm == 1).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1e6))
def test_forecasts_are_in_range_for_any_question(one_thread, seed, size):
    """
    In distribution or not: probabilities within [.01, .99] and inside their interval, mean
    tokens between their quantiles, and the same numbers alone.
    """
    bank = fit_bank(two_kinds(40, seed=seed % 5))
    rng = np.random.default_rng(seed)
    queries = unit(rng.standard_normal((3, 8)))
    rows = (size * rng.random((3, len(FEATURES)))).round()

    got, _ = AnchorPredictor(bank).predict(queries, rows)

    assert ((got.p_correct_qm >= 0.01) & (got.p_correct_qm <= 0.99)).all()
    assert (
        (got.p_correct.low_qm <= got.p_correct_qm) & (got.p_correct_qm <= got.p_correct.high_qm)
    ).all()
    assert (got.completion_tokens.low_qm <= got.completion_tokens_qm).all()
    assert (got.completion_tokens_qm <= got.completion_tokens.high_qm).all()
    assert ((got.in_distribution_qm >= 0) & (got.in_distribution_qm <= 1)).all()
    alone, _ = AnchorPredictor(bank).predict(queries[[1]], rows[[1]])
    for name in COLUMNS:
        np.testing.assert_array_equal(got.to_columns()[name][[1]], alone.to_columns()[name])
