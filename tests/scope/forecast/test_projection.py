"""Coordinates of a second encoder."""

import numpy as np

from scope.forecast.projection import N_COMPONENTS, Projection, joint_features

RNG = np.random.default_rng(0)
VECTORS = (RNG.standard_normal((50, 6)) * [3, 1, 1, 1, 1, 9]).astype(np.float32)


def test_half_of_a_squared_distance_is_the_cosine_distance():
    """
    Divided by the length scale; all coordinates together are as long for every question.
    """
    for scale in (1.0, 4.0):
        got = Projection.fit(VECTORS, scale).transform(VECTORS)
        centred = VECTORS - VECTORS.mean(axis=0)
        cosine = centred[0] @ centred[1] / np.prod(np.linalg.norm(centred[:2], axis=1))
        np.testing.assert_allclose(
            np.square(got[0] - got[1]).sum(), (1 - cosine) / scale, rtol=1e-4
        )


def test_the_first_components_have_most_of_the_variance():
    """
    At most `N_COMPONENTS` are kept.
    """
    wide = np.random.default_rng(1).standard_normal((300, 200)).astype(np.float32)

    component_yz = Projection.fit(VECTORS).component_yz

    assert (np.diff((VECTORS @ component_yz).std(axis=0)) < 0).all()
    assert Projection.fit(wide).component_yz.shape == (200, N_COMPONENTS)


def test_equal_vectors_have_equal_coordinates():
    """
    Their distance is 0, not unknown.
    """
    same = np.ones((5, 3), dtype=np.float32)

    np.testing.assert_array_equal(Projection.fit(same).transform(same), np.zeros((5, 3)))


def test_features_stay_the_same_without_a_second_encoder():
    """
    With one the coordinates are appended.
    """
    features, vectors = np.ones((2, 3), np.float32), VECTORS[:2]
    projection = Projection.fit(VECTORS)

    assert joint_features(features, None, None) is features
    assert joint_features(features, projection, vectors).shape == (2, 3 + 6)
