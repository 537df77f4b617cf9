import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.forecast.kernel import (
    CATEGORY_LENGTHSCALE,
    MIN_PROBABILITY,
    TEXT_FEATURE_LENGTHSCALE,
    Kernel,
    kernel_features,
)
from tests.factories.banks import unit

NO_FEATURE = np.zeros((1, 1), dtype=np.float32)
ORIGIN = np.array([[1, 0]], dtype=np.float32)


def test_at_cosine_distance_one_half_the_kernel_is_1_over_e():
    """
    Equal text features and category, at 60 degrees.
    """
    kernel = Kernel(ORIGIN, NO_FEATURE)

    got = kernel.similarity(np.array([[0.5, np.sqrt(0.75)]], dtype=np.float32), NO_FEATURE)

    np.testing.assert_allclose(got, [[np.exp(-1)]], rtol=1e-6)


@pytest.mark.parametrize("n_features", [1, 30])
def test_at_two_deviations_of_the_features_the_kernel_is_1_over_e(n_features):
    """
    A mean squared distance of 4, for any number of features.
    """
    certain = np.ones((1, 1), dtype=np.float32)
    form_qf = np.full((1, n_features), np.sqrt(TEXT_FEATURE_LENGTHSCALE), dtype=np.float32)
    kernel = Kernel(ORIGIN, kernel_features(0 * form_qf, certain))

    got = kernel.similarity(ORIGIN, kernel_features(form_qf, certain))

    np.testing.assert_allclose(got, [[np.exp(-1)]], rtol=1e-5)


def test_two_certain_categories_are_far_apart():
    """
    Both of two log probabilities differ by log(1.01 / .01) = 4.6; half its square.
    """
    form_qf = np.zeros((2, 1), dtype=np.float32)
    feature_qi = kernel_features(form_qf, np.eye(2, dtype=np.float32))

    got = Kernel(ORIGIN, feature_qi[:1]).similarity(ORIGIN, feature_qi[1:])

    apart = np.log((1 + MIN_PROBABILITY) / MIN_PROBABILITY)
    np.testing.assert_allclose(got, [[np.exp(-(apart**2) / CATEGORY_LENGTHSCALE)]], rtol=1e-4)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.floats(0, 1e6))
def test_a_similarity_is_within_0_and_1(seed, n_questions, size):
    """
    For features of any size.
    """
    rng = np.random.default_rng(seed)
    embedding_ad = unit(rng.standard_normal((n_questions, 5)))
    feature_ai = (size * rng.standard_normal((n_questions, 3))).astype(np.float32)

    got = Kernel(embedding_ad, feature_ai).gram_matrix(embedding_ad, feature_ai)

    assert ((got >= 0) & (got <= 1)).all()
