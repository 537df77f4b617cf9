import time

import numpy as np
import pytest

from deployments.replicas import stuck
from deployments.replicas.embedder import Embedder, batch_size
from scope.embedding.spec import MINILM
from scope.embedding.text_features import text_features
from scope.errors import ConfigError


@pytest.fixture(scope="module")
def minilm():
    return Embedder(MINILM, None)


def test_each_call_gets_its_own_vectors_back(minilm):
    """
    Two calls in one batch, in their order.
    """
    first, second = minilm.embed([["a prime", "a law"], ["a verb"]])
    ((alone,),) = ([call.embedding_qd for call in minilm.embed([["a verb"]])],)

    assert first.embedding_qd.shape == (2, 384)
    assert second.embedding_qd == pytest.approx(alone, abs=1e-5)
    assert (first.features_qf == text_features(["a prime", "a law"])).all()
    assert first.errors == ["", ""]


def test_a_second_embedder_counts_no_features(checkpoint):
    """
    Those of the first are used; its vectors are of its layer.
    """
    second = Embedder(str(checkpoint), None, layer=1, has_features=False)

    (call,) = second.embed([["a prime", "a law"]])

    assert call.features_qf.shape == (2, 0)
    assert call.embedding_qd.shape[0] == 2
    assert call.embedder.layer == 1


def test_vectors_name_their_embedder(minilm):
    """
    So that a Router of another bank refuses them.
    """
    (call,) = minilm.embed([["x"]])

    assert call.embedder.name == MINILM


@pytest.mark.parametrize(
    ("calls", "size"),
    [
        pytest.param([["a"]], 1, id="one"),
        pytest.param([["a"] * 99], 1, id="a long call fits alone"),
        pytest.param([["a"], ["b", "c"]], 3, id="texts of several calls count"),
    ],
)
def test_a_batch_is_as_large_as_its_texts(calls, size):
    """
    Serve compares this with `max_batch_size`.
    """
    assert batch_size(calls) == size


def test_a_stuck_batch_is_unhealthy(minilm, monkeypatch):
    """
    Serve restarts a replica whose check raises.
    """
    minilm.check_health()
    monkeypatch.setattr(stuck, "HEALTH_TIMEOUT_S", 0.0)
    monkeypatch.setattr(minilm, "_began_at", time.monotonic() - 1)

    with pytest.raises(ConfigError, match="has been running for more than"):
        minilm.check_health()


def test_a_text_that_fails_does_not_affect_the_others(minilm, monkeypatch):
    """
    Its vector is NaN, and it has an error message.
    """
    encode = minilm._encoder.encode

    def failing(texts):
        if "poison" in texts:
            raise RuntimeError("cannot encode")
        return encode(texts)

    monkeypatch.setattr(minilm._encoder, "encode", failing)

    (call,) = minilm.embed([["a prime", "poison"]])

    assert np.isnan(call.embedding_qd[1]).all()
    assert not np.isnan(call.embedding_qd[0]).any()
    assert call.errors == ["", "the embedder failed: cannot encode"]
