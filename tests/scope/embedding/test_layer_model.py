"""A layer of a tiny causal language model, compared with its own hidden states."""

import numpy as np
import pytest

from scope.embedding.encoder import Encoder
from scope.embedding.spec import EmbedderSpec, EmbeddingFingerprint, split_layer
from scope.errors import ConfigError
from tests.factories.checkpoints import tiny_checkpoint

TEXTS = ["Name the capital of France.", "2", "What is two plus two? " * 20]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("causal")))


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return Encoder(checkpoint, layer=1)


def mean_state(checkpoint, text, layer):
    """Mean over the tokens but the first of a hidden state, as a unit vector."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(checkpoint)(text, return_tensors="pt")
    network = AutoModel.from_pretrained(checkpoint, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        states = network(**tokens, output_hidden_states=True).hidden_states[layer][0].float()
    mean = (states[1:] if len(states) > 1 else states).mean(dim=0).numpy()
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("text", TEXTS[:1] + TEXTS[2:])
def test_the_vector_is_the_mean_state_of_the_layer_without_the_first_token(
    encoder, checkpoint, text
):
    """
    Of the text alone, though the checkpoint has the template of a chat; in a padded batch, too.
    """
    (alone,), batch = encoder.encode([text]), encoder.encode(TEXTS)

    assert alone @ mean_state(checkpoint, text, 1) > 0.9999
    assert alone @ mean_state(checkpoint, text, 2) < 0.99
    assert batch[TEXTS.index(text)] @ alone > 0.999


def test_a_text_of_one_token_has_a_vector(encoder):
    """
    Its first token stays.
    """
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(["2"])), 1, atol=1e-5)
    assert encoder.spec.layer == 1


def test_a_layer_that_the_model_lacks_is_named(checkpoint):
    """
    Before anything is embedded.
    """
    with pytest.raises(ConfigError, match="has 2 layers; layer 3 was asked for"):
        Encoder(checkpoint, layer=3)


@pytest.mark.parametrize("embedder", ["model#x", "model#0", "#3", "model#"])
def test_a_wrong_layer_is_an_error(embedder):
    """
    It names the form that is allowed.
    """
    with pytest.raises(ConfigError, match="expected NAME, or NAME#LAYER"):
        split_layer(embedder)


def test_vectors_of_two_layers_are_in_different_spaces():
    """
    An embedder without a layer has the JSON that it had before there were layers.
    """
    whole = EmbedderSpec(name="m", revision="1", dimension=2)

    assert not whole.is_compatible_with(whole.model_copy(update={"layer": 1}))
    assert "layer" not in whole.model_dump(mode="json")
    assert "layer" not in EmbeddingFingerprint(name="m", revision="1").model_dump(mode="json")
