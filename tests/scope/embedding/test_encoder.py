"""The real embedder of the package, and real loading code on tiny local models."""

import json

import numpy as np
import pytest

from scope.config import BATCH_CHARS
from scope.embedding.encoder import Encoder, length_bucketed_batches, uses_last_token_pooling
from scope.embedding.spec import MINILM, EmbedderSpec, resolve_model
from scope.errors import ConfigError
from scope.storage.files import folder_digest
from tests.factories.models import POISON, tiny_model

TEXTS = ["What is 2 + 2?", "What is two plus two?", "Name the capital of France.", "x" * 5_000]


@pytest.fixture(scope="module")
def minilm():
    return Encoder()


def test_vectors_are_unit_and_near_for_texts_that_mean_the_same(minilm):
    """
    The default embedder, out of its package, without a hub.
    """
    vectors = minilm.encode(TEXTS)

    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


def test_a_text_is_cut_to_its_first_2000_characters(minilm):
    """
    As in the reference: what comes later changes nothing.
    """
    same, longer = minilm.encode(["a b c " * 500, "a b c " * 500 + "and much more"])

    np.testing.assert_allclose(same, longer, atol=1e-6)
    assert minilm.spec == EmbedderSpec(name=MINILM, revision="0.1.0", dimension=384, max_chars=2000)


def test_a_text_has_the_same_vector_in_any_batch(minilm):
    """
    Up to the rounding of padded matrix products.
    """
    together = minilm.encode(TEXTS)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])

    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_text_gives_no_vector(minilm):
    """
    An empty batch keeps its width.
    """
    assert minilm.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        pytest.param([1, 1, 1], [[0, 1, 2]], id="short ones share a batch"),
        pytest.param([BATCH_CHARS, 1, 1], [[0], [1, 2]], id="a long one stands alone"),
        pytest.param([9 * BATCH_CHARS], [[0]], id="longer than a batch is still one"),
        pytest.param([0, 0], [[0, 1]], id="empty texts"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_batches_hold_about_as_many_characters(lengths, expected):
    """
    Longest first, each text once.
    """
    assert list(length_bucketed_batches(lengths, BATCH_CHARS)) == expected


def test_a_local_model_that_reads_the_last_token_is_padded_on_the_left(tmp_path):
    """
    As Qwen3-Embedding needs: padded on the right, a short text in a batch would be
    read off its padding. And no instruction is put before a text.
    """
    encoder = Encoder(str(tiny_model(tmp_path, pooling="lasttoken")))
    short, long = "two plus two", "what is the capital of france"

    together = encoder.encode([short, long])

    assert uses_last_token_pooling(encoder._model)
    assert encoder._model.tokenizer.padding_side == "left"
    np.testing.assert_allclose(together[0], encoder.encode([short])[0], atol=1e-5)
    plain = encoder._model.encode(short, prompt="", normalize_embeddings=True)
    np.testing.assert_allclose(together[0], plain, atol=1e-5)


def test_a_local_model_that_averages_keeps_its_padding(tmp_path):
    """
    Only last-token models are turned round.
    """
    encoder = Encoder(str(tiny_model(tmp_path, pooling="mean")))

    assert not uses_last_token_pooling(encoder._model)
    assert encoder._model.tokenizer.padding_side == "right"


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    """A model that has no finite vector for texts with the word `POISON`."""
    return Encoder(str(tiny_model(tmp_path_factory.mktemp("model"), pooling="mean")))


def test_a_text_that_fails_takes_no_other_with_it(fragile):
    """
    Its row is NaN with a sentence; the others are what they are without it.
    """
    texts = ["two plus two", f"the {POISON} of france", "name the capital"]

    embedding, errors = fragile.encode_with_errors(texts)

    assert errors == ["", "the embedder gave a vector of length nan; expected 1", ""]
    assert np.isnan(embedding[1]).all()
    np.testing.assert_allclose(embedding[[0, 2]], fragile.encode(texts)[[0, 2]], atol=1e-6)


def test_an_embedder_that_refuses_a_text_embeds_the_rest(fragile):
    """
    One that is no text raises within the library, with all of its batch.
    """
    embedding, errors = fragile.encode_with_errors(["two", "plus", None, "two", "two"])

    assert [bool(error) for error in errors] == [False, False, True, False, False]
    assert errors[2].startswith("the embedder failed: ")
    np.testing.assert_array_equal(np.isnan(embedding[:, 0]), [bool(error) for error in errors])


def test_a_folder_is_known_by_its_weights(tmp_path):
    """
    Any change of a weight or a setting is another embedder, wherever the folder lies.
    """
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"layers": 2}))
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    here, there = folder_digest(tmp_path / "a"), folder_digest(tmp_path / "b")

    (tmp_path / "b" / "model.safetensors").write_bytes(b"Weights")

    assert here == there != folder_digest(tmp_path / "b")
    assert resolve_model(str(tmp_path / "a")) == (str(tmp_path / "a"), here)


def test_embedders_agree_by_weights_not_by_path():
    """
    The same folder copied elsewhere is the same space; an unpinned name is not enough.
    """
    spec = EmbedderSpec(name="/a", revision="1", dimension=4)

    assert spec.is_compatible_with(spec.model_copy(update={"name": "/b"}))
    assert not spec.is_compatible_with(spec.model_copy(update={"revision": "2"}))
    assert not spec.is_compatible_with(spec.model_copy(update={"max_chars": 100}))
    unpinned = EmbedderSpec(name="org/a", dimension=4)
    assert not unpinned.is_compatible_with(unpinned.model_copy(update={"name": "org/b"}))


def test_an_embedder_that_is_not_there_is_named(tmp_path, monkeypatch):
    """
    One sentence, with what would have been right.
    """
    empty = tmp_path / "empty"
    empty.mkdir()

    with pytest.raises(
        ConfigError, match=rf"embedder '.*empty' cannot be loaded; expected '{MINILM}'"
    ):
        Encoder(str(empty))
