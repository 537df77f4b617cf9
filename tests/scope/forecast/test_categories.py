import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from scope.forecast.categories import (
    EMBEDDING_SCALE,
    INVERSE_REGULARISATION,
    CategoryClassifier,
    TextFeatureScaler,
    classifier_inputs,
    encode_labels,
)


def test_counts_become_logs_of_mean_0_and_spread_1():
    """
    Of counts 0 and e² - 1 the logs are 0 and 2: mean 1, spread 1.
    """
    counts_af = np.array([[0.0], [np.e**2 - 1]])

    form = TextFeatureScaler.fit(counts_af)

    np.testing.assert_allclose(form.transform(counts_af), [[-1], [1]], atol=1e-6)


@pytest.mark.parametrize("count", [0.0, 4.0, 7.0, 10.0])
def test_a_count_that_all_anchors_share_has_no_scale_of_its_own(count):
    """
    One more is log((count + 2) / (count + 1)) away: not a world, however the mean was rounded.
    """
    form = TextFeatureScaler.fit(np.full((20, 1), count))

    one_more = form.transform(np.array([[count], [count + 1]]))[:, 0]

    np.testing.assert_allclose(one_more, [0, np.log((count + 2) / (count + 1))], atol=1e-6)


def test_meaning_is_scaled_by_its_dimensions():
    """
    A coordinate of a unit vector in nine dimensions is worth sqrt(9) / 3; features are left.
    """
    got = classifier_inputs(
        np.eye(1, 9, dtype=np.float32), np.array([[0.5, -1.0]], dtype=np.float32)
    )

    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[3 / EMBEDDING_SCALE, *[0] * 8, 0.5, -1.0]])


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        pytest.param(["b"] * 20 + ["a"] * 20, [1] * 20 + [0] * 20, id="sorted by name"),
        pytest.param(["a"] * 20 + ["b"] * 19 + ["c"], [1] * 20 + [0] * 20, id="rare ones pooled"),
        pytest.param([str(n) for n in range(30)], [0] * 30, id="all distinct are one"),
        pytest.param(["law"] * 30, [0] * 30, id="a single one"),
        pytest.param([""] * 20 + ["law"] * 20, [0] * 20 + [1] * 20, id="no name is a name"),
    ],
)
def test_labels(categories, expected):
    """
    Numbers without a gap; fewer than 20 anchors are no category.
    """
    label_a, n_categories = encode_labels(categories)

    assert label_a.tolist() == expected
    assert n_categories == len(set(expected))


pytestmark = pytest.mark.usefixtures("one_thread")


def kinds(n_kinds, n_each=30, seed=0):
    """Inputs around one corner for each kind, and their labels."""
    rng = np.random.default_rng(seed)
    label_a = np.repeat(np.arange(n_kinds), n_each)
    input_ai = 10 * np.eye(n_kinds, 4)[label_a] + rng.standard_normal((len(label_a), 4))
    return input_ai.astype(np.float32), label_a


@pytest.mark.parametrize("n_kinds", [2, 3, 4])
def test_kinds_that_lie_apart_are_guessed_right(n_kinds):
    """
    Each at its own corner.
    """
    guess = CategoryClassifier.fit(*kinds(n_kinds), n_kinds)

    new_qi, label_q = kinds(n_kinds, n_each=5, seed=1)

    assert guess.predict_proba(new_qi).argmax(axis=1).tolist() == label_q.tolist()


@pytest.mark.parametrize("n_kinds", [2, 3])
def test_the_posterior_is_that_of_the_regression(n_kinds):
    """
    Stored as plain arrays, and the same numbers.
    """
    input_ai, label_a = kinds(n_kinds)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300).fit(input_ai, label_a)

    got = CategoryClassifier.fit(input_ai, label_a, n_kinds).predict_proba(input_ai)

    np.testing.assert_allclose(got, model.predict_proba(input_ai), atol=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("present", [[0], [2], [0, 2], [1, 2]])
def test_a_category_that_does_not_occur_is_never_guessed(present):
    """
    As happens in a part of the anchors; with one left it is certain.
    """
    input_ai, label_a = kinds(3)
    kept = np.isin(label_a, present)

    posterior_qc = CategoryClassifier.fit(input_ai[kept], label_a[kept], 3).predict_proba(input_ai)

    absent = [c for c in range(3) if c not in present]
    assert (posterior_qc[:, absent] == 0).all()
    np.testing.assert_allclose(posterior_qc[:, present].sum(axis=1), 1, rtol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 1e4))
def test_probabilities_sum_to_1(seed, n_categories, size):
    """
    Whatever the inputs, and however far from those learned from.
    """
    rng = np.random.default_rng(seed)
    label_a = rng.integers(0, n_categories, 40)
    guess = CategoryClassifier.fit(
        rng.standard_normal((40, 3)).astype(np.float32), label_a, n_categories
    )

    posterior_qc = guess.predict_proba((size * rng.standard_normal((6, 3))).astype(np.float32))

    assert (posterior_qc >= 0).all()
    np.testing.assert_allclose(posterior_qc.sum(axis=1), 1, rtol=1e-5)
