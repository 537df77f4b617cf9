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
from scope.forecast.forecaster import mean_top_similarity
from scope.predictions import ESTIMATE_FIELDS, MIN_P
from scope.predictor.fit import fit_forecaster
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import LARGE, MIDDLE, SMALL, rows_of, two_kinds, unit

pytestmark = pytest.mark.usefixtures("one_thread")

MODELS = (SMALL, MIDDLE, LARGE)
N_LEARNED = 300


@pytest.fixture(scope="module")
def learned(one_thread):
    """A bank that was learned from, and forty questions alike."""
    whole = two_kinds(N_LEARNED + 40, models=MODELS)
    new = rows_of(whole, slice(N_LEARNED, None))
    return fit_bank(rows_of(whole, slice(0, N_LEARNED))), new.embedding_ad, new.features_af


def foretell(bank, embedding_qd, features_qf, self_index_q=None):
    self_index_q = np.full(len(embedding_qd), -1) if self_index_q is None else self_index_q
    return bank.forecaster.predict(embedding_qd, features_qf, self_index_q)


def everything(said):
    """All numbers of a forecast, one row a question."""
    return np.hstack([said.p_correct_qm, *said.tokens_sqm, said.in_distribution_q[:, None]])


@settings(max_examples=30)
@given(st.data())
def test_a_question_is_foretold_the_same_in_any_company(learned, data):
    """
    Alone, in any place, beside any others and beside itself: the same to the last bit.
    """
    bank, embedding_qd, features_qf = learned
    rows = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=70))
    asked = data.draw(st.integers(0, len(rows) - 1))

    together = everything(foretell(bank, embedding_qd[rows], features_qf[rows]))

    row = [rows[asked]]
    alone = everything(foretell(bank, embedding_qd[row], features_qf[row]))
    np.testing.assert_array_equal(together[[asked]], alone)


def test_an_anchor_in_the_batch_changes_nothing_for_the_others(learned):
    """
    Questions and anchors may be asked about together, in any order.
    """
    bank, embedding_qd, features_qf = learned
    self_index_q = np.array([-1, 7, -1, 0])
    rows = np.maximum(self_index_q, 0)
    mixed_qd = np.where(self_index_q[:, None] < 0, embedding_qd[:4], bank.embedding_ad[rows])
    mixed_qf = np.where(self_index_q[:, None] < 0, features_qf[:4], bank.features_af[rows])

    got = foretell(bank, mixed_qd, mixed_qf, self_index_q)

    new = foretell(bank, embedding_qd[[0, 2]], features_qf[[0, 2]])
    np.testing.assert_array_equal(got.p_correct_qm[[0, 2]], new.p_correct_qm)
    np.testing.assert_array_equal(
        got.p_correct_qm[[1, 3]], bank.forecaster.loo_p_nm[[7, 0]].clip(MIN_P, 1 - MIN_P)
    )


def test_threads_change_nothing(learned):
    """
    One or two, the same to the last bit.
    """
    bank, embedding_qd, features_qf = learned
    with threadpool_limits(1):
        one = everything(foretell(bank, embedding_qd, features_qf))
    with threadpool_limits(2):
        two = everything(foretell(bank, embedding_qd, features_qf))

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
    head, head, np.ones((3, 3)), 0.1, np.arange(300), np.ones((300, 2), np.float32),
    np.zeros((300, 3)), np.zeros((300, 3)),
)
def said(rows):
    features_qf = np.outer(rows, np.ones(4))
    told = forecaster.predict(embedding_qd[rows], features_qf, np.full(len(rows), -1))
    return np.hstack([told.p_correct_qm, told.tokens_sqm[0]])
rows = np.arange(300, 345)
alone = np.concatenate([said(rows[[q]]) for q in range(45)])
print(np.array_equal(said(rows), alone), np.array_equal(said(rows[::-1])[::-1], alone))
"""


def test_the_company_counts_on_no_processor():
    """
    The AVX2 kernels of OpenBLAS sum the rows of one product in several ways.
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
def test_the_rest_of_the_pool_changes_nothing(learned, order, n_kept):
    """
    A model's estimate is the same beside any others, wherever it stands.
    """
    bank, *questions = learned
    kept = order[:n_kept]
    pool = bank.select_models(tuple(bank.model_ids[m] for m in kept))

    whole, _ = AnchorPredictor(bank).predict(*questions)
    part, _ = AnchorPredictor(pool).predict(*questions)

    assert (whole.in_distribution_qm == 1).any()
    familiar = whole.in_distribution_qm[:, 0] == 1
    for name in ESTIMATE_FIELDS:
        expected_qm = getattr(whole, name)[:, kept]
        np.testing.assert_allclose(
            getattr(part, name)[familiar], expected_qm[familiar], rtol=1e-12, err_msg=name
        )


def test_what_the_bank_has_seen_is_foretold(learned):
    """
    The first model is right on nine of ten questions of maths and one of ten of law;
    lengths are 400 to 1,087 tokens and 100 to 272.
    """
    bank, embedding_qd, features_qf = learned
    maths = embedding_qd[:, 0] > 0

    said = foretell(bank, embedding_qd, features_qf)

    assert said.p_correct_qm[maths, 0].mean() > 0.7
    assert said.p_correct_qm[~maths, 0].mean() < 0.3
    assert ((said.tokens_sqm[0, maths] > 400) & (said.tokens_sqm[0, maths] < 1087)).all()
    assert ((said.tokens_sqm[0, ~maths] > 100) & (said.tokens_sqm[0, ~maths] < 272)).all()


def strangers(n):
    """Questions whose meaning is none of the bank's, full of signs that it never saw."""
    embedding_qd = unit(np.eye(8)[[1] * n] + np.eye(8)[[7] * n])
    return embedding_qd, np.full((n, len(FEATURES)), 1e4)


def test_a_stranger_falls_back_to_the_means_and_is_unsure(learned):
    """
    Unlike all anchors: each model's mean, however near the votes, and a wide interval.
    """
    bank, embedding_qd, features_qf = learned
    predictor = AnchorPredictor(bank)

    odd, _ = predictor.predict(*strangers(1))
    known, _ = predictor.predict(embedding_qd, features_qf)

    mean_m = np.nanmean(bank.outcomes.correct_am, axis=0)
    assert odd.in_distribution_qm.max() < 0.01
    np.testing.assert_allclose(odd.p_correct_qm[0], mean_m, atol=0.02)
    width_qm = known.p_high_qm - known.p_low_qm
    assert (odd.p_high_qm - odd.p_low_qm > 2 * width_qm[known.in_distribution_qm[:, 0] == 1]).all()


def test_a_question_half_known_lies_between(learned):
    """
    Odd signs in a familiar meaning: less familiar the more of them, never above 1.
    """
    bank, embedding_qd, features_qf = learned
    rows = features_qf[[0] * 4] + 30.0 ** np.arange(4)[:, None] - 1

    said = foretell(bank, embedding_qd[[0] * 4], rows)

    assert said.in_distribution_q[0] == 1
    assert (np.diff(said.in_distribution_q) < 0).all()


def test_an_anchor_is_familiar(learned):
    """
    The bank speaks for its own kind.
    """
    bank, *_ = learned

    said = foretell(bank, bank.embedding_ad[:3], bank.features_af[:3], np.arange(3))

    assert said.in_distribution_q.tolist() == [1, 1, 1]


def test_no_question_gives_no_row(learned):
    """
    An empty batch is not an error.
    """
    bank, embedding_qd, features_qf = learned

    said = foretell(bank, embedding_qd[:0], features_qf[:0])

    assert said.p_correct_qm.shape == (0, 3)
    assert said.tokens_sqm.shape == (3, 0, 3)


def test_without_learning_the_votes_are_those_of_a_bank_never_learned_from(learned):
    """
    `learned: false` is the way back, to the last bit.
    """
    bank, *questions = learned
    plain = two_kinds(N_LEARNED + 40, models=MODELS)
    plain = rows_of(plain, slice(0, N_LEARNED))

    got, _ = AnchorPredictor(bank, AnchorConfig(use_forecaster=False)).predict(*questions)
    expected, _ = AnchorPredictor(plain).predict(*questions)

    for name in ESTIMATE_FIELDS:
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    assert np.isnan(got.in_distribution_qm).all()


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        pytest.param([0.5, 0.1, 0.9], 0.5, id="fewer than ten: all"),
        pytest.param([0.0] * 5 + [1.0] * 5 + [0.5] * 5, 0.75, id="the ten nearest"),
    ],
)
def test_nearness(similarity, expected):
    """
    Small enough to check by hand.
    """
    got = mean_top_similarity(np.array([similarity], dtype=np.float32))

    np.testing.assert_allclose(got, [expected], rtol=1e-6)


def test_a_forecast_is_never_sure(learned):
    """
    Not even of a bank whose outcomes are.
    """
    bank = two_kinds(N_LEARNED)
    bank.outcomes.correct_am[:] = [1, 0]

    said = fit_forecaster(bank).predict(learned[1], learned[2], np.full(40, -1))

    np.testing.assert_array_equal(said.p_correct_qm, [[1 - MIN_P, MIN_P]] * 40)
