import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from scope.forecast.categories import (
    EMBEDDING_SCALE,
    INVERSE_REGULARISATION,
    CategoryClassifier,
    CategoryLabels,
    TextFeatureScaler,
    classifier_inputs,
)


def test_counts_become_logs_of_mean_0_and_deviation_1():
    """
    The logs of counts 0 and e² - 1 are 0 and 2: mean 1, deviation 1.
    """
    counts_af = np.array([[0.0], [np.e**2 - 1]])

    form = TextFeatureScaler.fit(counts_af)

    np.testing.assert_allclose(form.transform(counts_af), [[-1], [1]], atol=1e-6)


@pytest.mark.parametrize("count", [0.0, 4.0, 7.0, 10.0])
def test_a_constant_count_is_not_scaled(count):
    """
    One more is log((count + 2) / (count + 1)) away, whatever the rounding of the mean.
    """
    form = TextFeatureScaler.fit(np.full((20, 1), count))

    one_more = form.transform(np.array([[count], [count + 1]]))[:, 0]

    np.testing.assert_allclose(one_more, [0, np.log((count + 2) / (count + 1))], atol=1e-6)


def test_embeddings_are_scaled_by_their_dimension():
    """
    The factor in nine dimensions is sqrt(9) / 3; text features are not scaled.
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
        pytest.param([""] * 20 + ["law"] * 20, [0] * 20 + [1] * 20, id="an empty name is a name"),
    ],
)
def test_labels_are_consecutive(categories, expected):
    """
    Categories of fewer than 20 anchors share one label.
    """
    labels = CategoryLabels.encode(categories)

    assert labels.label_a.tolist() == expected
    assert labels.n_categories == len(set(expected))
    own = {name: labels.label_a[categories.index(name)] for name in labels.index_of}
    assert labels.index_of == own


pytestmark = pytest.mark.usefixtures("one_thread")


def labelled_inputs(n_categories, n_each=30, seed=0):
    """Inputs around one corner for each category, and their labels."""
    rng = np.random.default_rng(seed)
    label_a = np.repeat(np.arange(n_categories), n_each)
    input_ai = 10 * np.eye(n_categories, 4)[label_a] + rng.standard_normal((len(label_a), 4))
    return input_ai.astype(np.float32), label_a


@pytest.mark.parametrize("n_categories", [2, 3, 4])
def test_separate_categories_are_classified_correctly(n_categories):
    """
    Each category is at its own corner.
    """
    classifier = CategoryClassifier.fit(*labelled_inputs(n_categories), n_categories)

    new_qi, label_q = labelled_inputs(n_categories, n_each=5, seed=1)

    assert classifier.predict_proba(new_qi).argmax(axis=1).tolist() == label_q.tolist()


@pytest.mark.parametrize("n_categories", [2, 3])
def test_probabilities_equal_those_of_scikit_learn(n_categories):
    """
    The model is stored as plain arrays.
    """
    input_ai, label_a = labelled_inputs(n_categories)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300).fit(input_ai, label_a)

    got = CategoryClassifier.fit(input_ai, label_a, n_categories).predict_proba(input_ai)

    np.testing.assert_allclose(got, model.predict_proba(input_ai), atol=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("present", [[0], [2], [0, 2], [1, 2]])
def test_a_category_without_anchors_has_probability_0(present):
    """
    As may happen in a fold; a single category has probability 1.
    """
    input_ai, label_a = labelled_inputs(3)
    kept = np.isin(label_a, present)

    posterior_qc = CategoryClassifier.fit(input_ai[kept], label_a[kept], 3).predict_proba(input_ai)

    absent = [c for c in range(3) if c not in present]
    assert (posterior_qc[:, absent] == 0).all()
    np.testing.assert_allclose(posterior_qc[:, present].sum(axis=1), 1, rtol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 1e4))
def test_probabilities_sum_to_1(seed, n_categories, size):
    """
    For any inputs, also far from the fitted ones.
    """
    rng = np.random.default_rng(seed)
    label_a = rng.integers(0, n_categories, 40)
    classifier = CategoryClassifier.fit(
        rng.standard_normal((40, 3)).astype(np.float32), label_a, n_categories
    )

    posterior_qc = classifier.predict_proba((size * rng.standard_normal((6, 3))).astype(np.float32))

    assert (posterior_qc >= 0).all()
    np.testing.assert_allclose(posterior_qc.sum(axis=1), 1, rtol=1e-5)
