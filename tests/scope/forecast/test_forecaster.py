import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from scope import AnchorConfig, AnchorPredictor
from scope.embedding.text_features import FEATURES
from scope.forecast.categories import classifier_inputs
from scope.forecast.forecaster import mean_top_similarity
from scope.predictions import COLUMNS, MIN_P
from scope.predictor.fit import fit_forecaster
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import LARGE, MIDDLE, SMALL, rows_of, two_kinds, unit

pytestmark = pytest.mark.usefixtures("one_thread")

MODELS = (SMALL, MIDDLE, LARGE)
N_FITTED = 300


@pytest.fixture(scope="module")
def fitted(one_thread):
    """A fitted bank, and forty questions of the same distribution."""
    whole = two_kinds(N_FITTED + 40, models=MODELS)
    new = rows_of(whole, slice(N_FITTED, None))
    return fit_bank(rows_of(whole, slice(0, N_FITTED))), new.embedding_ad, new.features_af


def predict(bank, embedding_qd, features_qf, self_index_q=None):
    self_index_q = np.full(len(embedding_qd), -1) if self_index_q is None else self_index_q
    return bank.forecaster.predict(embedding_qd, features_qf, self_index_q)


def everything(forecast):
    """All numbers of a forecast, one row a question."""
    return np.hstack(
        [forecast.p_correct_qm, *forecast.tokens_uqm, forecast.in_distribution_q[:, None]]
    )


@settings(max_examples=30)
@given(st.data())
def test_a_prediction_does_not_depend_on_the_batch(fitted, data):
    """
    Alone, at any index, next to any other questions or itself: the same to the last bit.
    """
    bank, embedding_qd, features_qf = fitted
    rows = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=70))
    index = data.draw(st.integers(0, len(rows) - 1))

    together = everything(predict(bank, embedding_qd[rows], features_qf[rows]))

    row = [rows[index]]
    alone = everything(predict(bank, embedding_qd[row], features_qf[row]))
    np.testing.assert_array_equal(together[[index]], alone)


def test_an_anchor_in_the_batch_does_not_change_other_predictions(fitted):
    """
    Questions and anchors may share a batch, in any order.
    """
    bank, embedding_qd, features_qf = fitted
    self_index_q = np.array([-1, 7, -1, 0])
    rows = np.maximum(self_index_q, 0)
    mixed_qd = np.where(self_index_q[:, None] < 0, embedding_qd[:4], bank.embedding_ad[rows])
    mixed_qf = np.where(self_index_q[:, None] < 0, features_qf[:4], bank.features_af[rows])

    got = predict(bank, mixed_qd, mixed_qf, self_index_q)

    new = predict(bank, embedding_qd[[0, 2]], features_qf[[0, 2]])
    np.testing.assert_array_equal(got.p_correct_qm[[0, 2]], new.p_correct_qm)
    np.testing.assert_array_equal(
        got.p_correct_qm[[1, 3]], bank.forecaster.loo_p_nm[[7, 0]].clip(MIN_P, 1 - MIN_P)
    )


def test_a_known_category_replaces_the_guess_in_the_means_only(fitted):
    """
    The difference is that of the category means, weighted by the guess: the kernel stays.
    """
    bank, embedding_qd, features_qf = fitted
    forecaster = bank.forecaster
    guess_qc = forecaster.categories.predict_proba(
        classifier_inputs(embedding_qd, forecaster.form.transform(features_qf))
    )
    none, known = np.full(40, -1), np.array([1] * 20 + [-1] * 20)

    guessed = forecaster.predict(embedding_qd, features_qf, none, none)
    got = forecaster.predict(embedding_qd, features_qf, none, known)

    expected_qm = (np.eye(2)[[1] * 20] - guess_qc[:20]) @ forecaster.correct.category_cm
    expected_qm = (guessed.p_correct_qm[:20] + expected_qm).clip(MIN_P, 1 - MIN_P)
    inside = (guessed.p_correct_qm[:20] < 1 - MIN_P) & (guessed.p_correct_qm[:20] > MIN_P)
    assert inside.any()
    np.testing.assert_allclose(got.p_correct_qm[:20][inside], expected_qm[inside], atol=1e-5)
    np.testing.assert_array_equal(got.p_correct_qm[20:], guessed.p_correct_qm[20:])
    np.testing.assert_array_equal(got.tokens_uqm, guessed.tokens_uqm)


def test_the_number_of_threads_changes_nothing(fitted):
    """
    One or two threads give the same bits.
    """
    bank, embedding_qd, features_qf = fitted
    with threadpool_limits(1):
        one = everything(predict(bank, embedding_qd, features_qf))
    with threadpool_limits(2):
        two = everything(predict(bank, embedding_qd, features_qf))

    np.testing.assert_array_equal(one, two)


SAME_BITS = """
import numpy as np
from scope.forecast.forecaster import Forecaster, Head
from scope.forecast.kernel import Kernel
from scope.forecast.categories import CategoryClassifier, TextFeatureScaler
rng = np.random.default_rng(0)
normal = rng.standard_normal
embedding_qd = (normal((345, 64)) / 8).astype(np.float32)
head = Head(np.zeros(3), normal((300, 3)), normal((2, 3)))
forecaster = Forecaster(
    TextFeatureScaler(np.zeros(4), np.ones(4)),
    CategoryClassifier(normal((68, 2)).astype(np.float32), np.zeros(2, np.float32)),
    Kernel(embedding_qd[:300], normal((300, 6)).astype(np.float32)),
    head, head, np.ones((3, 3)), 0.1, np.arange(300), np.arange(300),
    np.ones((300, 2), np.float32),
    np.zeros((300, 3)), np.zeros((300, 3)),
)
def predict(rows):
    features_qf = np.outer(rows, np.ones(4))
    forecast = forecaster.predict(embedding_qd[rows], features_qf, np.full(len(rows), -1))
    return np.hstack([forecast.p_correct_qm, forecast.tokens_uqm[0]])
rows = np.arange(300, 345)
alone = np.concatenate([predict(rows[[q]]) for q in range(45)])
print(np.array_equal(predict(rows), alone), np.array_equal(predict(rows[::-1])[::-1], alone))
"""


def test_a_prediction_does_not_depend_on_the_batch_on_any_processor():
    """
    The AVX2 kernels of OpenBLAS sum different rows of one product differently.
    """
    done = subprocess.run(
        [sys.executable, "-c", SAME_BITS],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OPENBLAS_CORETYPE": "Haswell"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["True", "True"]


@settings(max_examples=25)
@given(st.permutations(range(3)), st.integers(1, 3))
def test_other_models_of_the_pool_change_nothing(fitted, order, n_kept):
    """
    A model's estimate is the same in any pool and at any index.
    """
    bank, *questions = fitted
    kept = order[:n_kept]
    pool = bank.select_models(tuple(bank.model_ids[m] for m in kept))

    whole, _ = AnchorPredictor(bank).predict(*questions)
    part, _ = AnchorPredictor(pool).predict(*questions)

    assert (whole.in_distribution_qm == 1).any()
    in_distribution = whole.in_distribution_qm[:, 0] == 1
    for name in COLUMNS:
        expected_qm = whole.to_columns()[name][:, kept]
        np.testing.assert_allclose(
            part.to_columns()[name][in_distribution],
            expected_qm[in_distribution],
            rtol=1e-12,
            err_msg=name,
        )


def test_questions_like_the_anchors_are_predicted_well(fitted):
    """
    The first model is right on nine of ten questions of maths and one of ten of law;
    lengths are 400 to 1,087 tokens and 100 to 272.
    """
    bank, embedding_qd, features_qf = fitted
    maths = embedding_qd[:, 0] > 0

    got = predict(bank, embedding_qd, features_qf)

    assert got.p_correct_qm[maths, 0].mean() > 0.7
    assert got.p_correct_qm[~maths, 0].mean() < 0.3
    assert ((got.tokens_uqm[0, maths] > 400) & (got.tokens_uqm[0, maths] < 1087)).all()
    assert ((got.tokens_uqm[0, ~maths] > 100) & (got.tokens_uqm[0, ~maths] < 272)).all()


def out_of_distribution(n):
    """Questions with embeddings unlike the bank's, and far larger text features."""
    embedding_qd = unit(np.eye(8)[[1] * n] + np.eye(8)[[7] * n])
    return embedding_qd, np.full((n, len(FEATURES)), 1e4)


def test_out_of_distribution_predictions_are_the_means_with_wide_intervals(fitted):
    """
    Far from all anchors: each model's mean, and an interval twice as wide.
    """
    bank, embedding_qd, features_qf = fitted
    predictor = AnchorPredictor(bank)

    odd, _ = predictor.predict(*out_of_distribution(1))
    known, _ = predictor.predict(embedding_qd, features_qf)

    mean_m = np.nanmean(bank.outcomes.correct_am, axis=0)
    assert odd.in_distribution_qm.max() < 0.01
    np.testing.assert_allclose(odd.p_correct_qm[0], mean_m, atol=0.02)
    width_qm = known.p_correct.high_qm - known.p_correct.low_qm
    assert (
        odd.p_correct.high_qm - odd.p_correct.low_qm
        > 2 * width_qm[known.in_distribution_qm[:, 0] == 1]
    ).all()


def test_the_in_distribution_score_decreases_with_distance(fitted):
    """
    A known embedding with larger and larger text features; the score is never above 1.
    """
    bank, embedding_qd, features_qf = fitted
    rows = features_qf[[0] * 4] + 30.0 ** np.arange(4)[:, None] - 1

    got = predict(bank, embedding_qd[[0] * 4], rows)

    assert got.in_distribution_q[0] == 1
    assert (np.diff(got.in_distribution_q) < 0).all()


def test_an_anchor_is_in_distribution(fitted):
    """
    Its score is 1.
    """
    bank, *_ = fitted

    got = predict(bank, bank.embedding_ad[:3], bank.features_af[:3], np.arange(3))

    assert got.in_distribution_q.tolist() == [1, 1, 1]


def test_no_question_gives_no_row(fitted):
    """
    An empty batch is not an error.
    """
    bank, embedding_qd, features_qf = fitted

    got = predict(bank, embedding_qd[:0], features_qf[:0])

    assert got.p_correct_qm.shape == (0, 3)
    assert got.tokens_uqm.shape == (3, 0, 3)


def test_use_forecaster_false_gives_the_knn_estimate(fitted):
    """
    The same bits as a bank that was never fitted.
    """
    bank, *questions = fitted
    plain = two_kinds(N_FITTED + 40, models=MODELS)
    plain = rows_of(plain, slice(0, N_FITTED))

    got, _ = AnchorPredictor(bank, AnchorConfig(use_forecaster=False)).predict(*questions)
    expected, _ = AnchorPredictor(plain).predict(*questions)

    for name in COLUMNS:
        np.testing.assert_array_equal(got.to_columns()[name], expected.to_columns()[name])
    assert not np.isnan(got.in_distribution_qm).any()


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        pytest.param([0.5, 0.1, 0.9], 0.5, id="fewer than ten: all"),
        pytest.param([0.0] * 5 + [1.0] * 5 + [0.5] * 5, 0.75, id="the ten nearest"),
    ],
)
def test_mean_top_similarity(similarity, expected):
    """
    Of all anchors, or of the ten nearest.
    """
    got = mean_top_similarity(np.array([similarity], dtype=np.float32))

    np.testing.assert_allclose(got, [expected], rtol=1e-6)


def test_probabilities_are_never_0_or_1(fitted):
    """
    Even if every outcome of a model is the same.
    """
    bank = two_kinds(N_FITTED)
    bank.outcomes.correct_am[:] = [1, 0]

    got = fit_forecaster(bank).predict(fitted[1], fitted[2], np.full(40, -1))

    np.testing.assert_array_equal(got.p_correct_qm, [[1 - MIN_P, MIN_P]] * 40)
