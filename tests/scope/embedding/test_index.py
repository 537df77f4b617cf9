import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.embedding.index import AnchorIndex
from tests.factories.banks import unit


@pytest.mark.parametrize("n_neighbours", [1, 10, 100])
def test_the_neighbours_equal_those_of_brute_force(n_neighbours):
    """
    The anchors and similarities are those of a full sort in double precision.
    """
    rng = np.random.default_rng(0)
    anchors, queries = unit(rng.standard_normal((700, 32))), unit(rng.standard_normal((50, 32)))

    similarity, anchor = AnchorIndex(anchors).search(queries, n_neighbours)

    similarity_qa = queries.astype(np.float64) @ anchors.T.astype(np.float64)
    expected = np.argsort(-similarity_qa, axis=1, kind="stable")[:, :n_neighbours]
    np.testing.assert_array_equal(anchor, expected)
    expected_similarity = np.take_along_axis(similarity_qa, expected, 1)
    np.testing.assert_allclose(similarity, expected_similarity, atol=1e-6)


def test_blocks_of_questions_change_nothing(monkeypatch):
    """
    Three questions a block, the last block with one.
    """
    rng = np.random.default_rng(2)
    index = AnchorIndex(unit(rng.standard_normal((40, 8))))
    queries = unit(rng.standard_normal((10, 8)))
    together = index.search(queries, 5)

    monkeypatch.setattr("scope.embedding.index.MAX_PRODUCTS", 3 * 40)
    in_blocks = index.search(queries, 5)

    np.testing.assert_array_equal(together[0], in_blocks[0])
    np.testing.assert_array_equal(together[1], in_blocks[1])


def test_a_question_has_the_same_neighbours_in_any_batch():
    """
    Bit for bit, although matrix products round small and large batches differently.
    """
    rng = np.random.default_rng(1)
    index = AnchorIndex(unit(rng.standard_normal((500, 384))))
    queries = unit(rng.standard_normal((200, 384)))

    together = index.search(queries, 50)
    alone = [index.search(queries[[q]], 50) for q in range(200)]

    np.testing.assert_array_equal(together[0], np.concatenate([a[0] for a in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([a[1] for a in alone]))


def test_equal_similarities_are_ordered_by_index():
    """
    With duplicate anchors a decision stays deterministic.
    """
    anchors = unit([[1, 0], [0, 1], [1, 0], [1, 0]])

    similarity, anchor = AnchorIndex(anchors).search(unit([[1, 0]]), 3)

    assert anchor.tolist() == [[0, 2, 3]]
    assert similarity.tolist() == [[1, 1, 1]]


@given(data=st.data(), n_neighbours=st.integers(1, 60))
def test_the_lowest_index_wins_among_any_number_of_duplicates(data, n_neighbours):
    """
    Sixty anchors are three vectors: the rank that is cut off lies within many equal ones.
    """
    kind_a = data.draw(st.lists(st.integers(0, 2), min_size=60, max_size=60))
    vectors = unit([[1, 0, 0.5], [1, 0.2, 0], [0.3, 1, 1]])
    question = vectors[[0]]

    _, anchor = AnchorIndex(vectors[kind_a]).search(question, n_neighbours)

    similarity_a = (vectors @ question[0])[kind_a]
    expected = np.argsort(-similarity_a, kind="stable")[:n_neighbours]
    np.testing.assert_array_equal(anchor[0], expected)


def test_a_small_bank_returns_all_anchors():
    """
    More neighbours than anchors is not an error.
    """
    similarity, anchor = AnchorIndex(unit([[1, 0], [0, 1]])).search(unit([[1, 0.1]]), 100)

    assert anchor.tolist() == [[0, 1]]
    assert similarity.shape == (1, 2)
