"""The default embedder, and tiny local models through the real loading code."""

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


def test_vectors_are_unit_and_similar_for_texts_of_similar_meaning(minilm):
    """
    The default embedder is loaded from its package, without a hub.
    """
    vectors = minilm.encode(TEXTS)

    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


def test_a_text_is_cut_to_its_first_2000_characters(minilm):
    """
    As in the reference; later characters do not matter.
    """
    same, longer = minilm.encode(["a b c " * 500, "a b c " * 500 + "and much more"])

    np.testing.assert_allclose(same, longer, atol=1e-6)
    assert minilm.spec == EmbedderSpec(
        name=MINILM, revision="0.1.0", dimension=384, max_chars=2000, backend=minilm.spec.backend
    )


def test_a_text_has_the_same_vector_in_any_batch(minilm):
    """
    Up to rounding in padded matrix products.
    """
    together = minilm.encode(TEXTS)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])

    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_empty_batch_has_no_vectors(minilm):
    """
    It keeps the number of dimensions.
    """
    assert minilm.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        pytest.param([1, 1, 1], [[0, 1, 2]], id="short texts share a batch"),
        pytest.param([BATCH_CHARS, 1, 1], [[0], [1, 2]], id="a long text has its own"),
        pytest.param([9 * BATCH_CHARS], [[0]], id="longer than the limit"),
        pytest.param([0, 0], [[0, 1]], id="empty texts"),
        pytest.param([], [], id="no texts"),
    ],
)
def test_batches_have_a_bounded_number_of_characters(lengths, expected):
    """
    Longest first, each text once.
    """
    assert list(length_bucketed_batches(lengths, BATCH_CHARS)) == expected


def test_a_local_model_with_last_token_pooling_is_padded_on_the_left(tmp_path):
    """
    As Qwen3-Embedding needs: with padding on the right, the last token of a short text would
    be padding. No instruction is put before a text.
    """
    encoder = Encoder(str(tiny_model(tmp_path, pooling="lasttoken")))
    short, long = "two plus two", "what is the capital of france"

    together = encoder.encode([short, long])

    assert uses_last_token_pooling(encoder._model)
    assert encoder._model.tokenizer.padding_side == "left"
    np.testing.assert_allclose(together[0], encoder.encode([short])[0], atol=1e-5)
    without_prompt = encoder._model.encode(short, prompt="", normalize_embeddings=True)
    np.testing.assert_allclose(together[0], without_prompt, atol=1e-5)


def test_a_local_model_with_mean_pooling_keeps_its_padding(tmp_path):
    """
    Only models with last-token pooling are changed.
    """
    encoder = Encoder(str(tiny_model(tmp_path, pooling="mean")))

    assert not uses_last_token_pooling(encoder._model)
    assert encoder._model.tokenizer.padding_side == "right"


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    """A model that returns NaN for texts with the word `POISON`."""
    return Encoder(str(tiny_model(tmp_path_factory.mktemp("model"), pooling="mean")))


def test_a_text_that_fails_does_not_affect_others(fragile):
    """
    Its row is NaN and has an error; the other rows are as without it.
    """
    texts = ["two plus two", f"the {POISON} of france", "name the capital"]

    embedding, errors = fragile.encode_with_errors(texts)

    assert errors == ["", "the embedder returned a vector of length nan; expected 1", ""]
    assert np.isnan(embedding[1]).all()
    np.testing.assert_allclose(embedding[[0, 2]], fragile.encode(texts)[[0, 2]], atol=1e-6)


def test_a_text_that_raises_does_not_affect_others(fragile):
    """
    A value that is not a string raises in the library and fails its whole batch.
    """
    embedding, errors = fragile.encode_with_errors(["two", "plus", None, "two", "two"])

    assert [bool(error) for error in errors] == [False, False, True, False, False]
    assert errors[2].startswith("the embedder failed: ")
    np.testing.assert_array_equal(np.isnan(embedding[:, 0]), [bool(error) for error in errors])


def test_a_folder_is_identified_by_its_content(tmp_path):
    """
    Any change of a weight or a setting changes the digest; the path does not.
    """
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"layers": 2}))
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    digest_a, digest_b = folder_digest(tmp_path / "a"), folder_digest(tmp_path / "b")

    (tmp_path / "b" / "model.safetensors").write_bytes(b"Weights")

    assert digest_a == digest_b != folder_digest(tmp_path / "b")
    assert resolve_model(str(tmp_path / "a")) == (str(tmp_path / "a"), digest_a)


def test_embedders_are_compared_by_weights_not_by_path():
    """
    A copied folder is compatible; two unpinned names are not.
    """
    spec = EmbedderSpec(name="/a", revision="1", dimension=4)

    assert spec.is_compatible_with(spec.model_copy(update={"name": "/b"}))
    assert not spec.is_compatible_with(spec.model_copy(update={"revision": "2"}))
    assert not spec.is_compatible_with(spec.model_copy(update={"max_chars": 100}))
    unpinned = EmbedderSpec(name="org/a", dimension=4)
    assert not unpinned.is_compatible_with(unpinned.model_copy(update={"name": "org/b"}))


def test_a_missing_embedder_is_rejected(tmp_path, monkeypatch):
    """
    The message names it and says what was expected.
    """
    empty = tmp_path / "empty"
    empty.mkdir()

    with pytest.raises(
        ConfigError, match=rf"embedder '.*empty' cannot be loaded; expected '{MINILM}'"
    ):
        Encoder(str(empty))
