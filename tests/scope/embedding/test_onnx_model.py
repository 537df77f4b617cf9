"""Vectors on onnxruntime equal those of torch; the graph is exported once."""

import sys

import numpy as np
import pytest

from scope.embedding.encoder import Encoder
from scope.embedding.onnx_model import LOWEST_COSINE, UncachedGraphWarning
from scope.embedding.spec import MINILM, default_backend
from scope.errors import ConfigError
from tests.factories.models import tiny_model

TEXTS = [
    "What is 2 + 2?",
    "",
    "a",
    "Which of these is the best reason for a city to build parks near a river? " * 40,
    "def f(x):\n    return {k: v for k, v in x.items() if v}",
    "Größe und Maß: 東京 123,456.78 🙂",
]


@pytest.fixture(scope="module")
def on_torch():
    return Encoder(backend="torch")


@pytest.fixture(scope="module")
def on_onnx():
    return Encoder(backend="onnx")


def cosines(a, b):
    return np.sum(a.astype(np.float64) * b, axis=1)


def test_the_default_embedder_has_the_vectors_of_torch(on_torch, on_onnx):
    """
    Short, long, empty and foreign texts, in one call.
    """
    expected, got = on_torch.encode(TEXTS), on_onnx.encode(TEXTS)

    assert cosines(expected, got).min() >= LOWEST_COSINE
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_in_a_batch(on_onnx):
    """
    Up to rounding in padded matrix products.
    """
    alone = np.concatenate([on_onnx.encode([text]) for text in TEXTS])

    np.testing.assert_allclose(on_onnx.encode(TEXTS), alone, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "lasttoken"])
def test_any_model_runs_on_onnxruntime(tmp_path, pooling):
    """
    A Qwen3 without a normalising module; last-token pooling is padded on the left.
    """
    folder = str(tiny_model(tmp_path, pooling=pooling))
    texts = ["two plus two", "what is the capital of france", "name"]

    expected = Encoder(folder, backend="torch").encode(texts)

    np.testing.assert_allclose(Encoder(folder, backend="onnx").encode(texts), expected, atol=1e-5)


def test_the_specification_says_the_backend(on_torch, on_onnx):
    """
    Both embed into the same space, since a graph with other vectors is refused.
    """
    assert (on_torch.spec.backend, on_onnx.spec.backend) == ("torch", "onnx")
    assert on_torch.spec.is_compatible_with(on_onnx.spec)


@pytest.mark.parametrize(
    ("name", "on_gpu", "expected"),
    [
        pytest.param(MINILM, False, "onnx", id="the default model on a CPU"),
        pytest.param(MINILM, True, "torch", id="a GPU"),
        pytest.param("org/other", False, "torch", id="another model"),
    ],
)
def test_the_backend_follows_model_and_device(name, on_gpu, expected):
    """
    Another model runs on onnxruntime only if it is asked for.
    """
    assert default_backend(name, on_gpu=on_gpu) == expected


def test_a_graph_is_exported_once(tmp_path, monkeypatch):
    """
    The second encoder reads what the first one wrote.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    folder = str(tiny_model(tmp_path, pooling="mean"))
    first = Encoder(folder, backend="onnx").encode(["two plus two"])
    (graph,) = (tmp_path / "cache" / "encoders").glob("*/model.onnx")
    written = graph.stat().st_mtime_ns

    second = Encoder(folder, backend="onnx").encode(["two plus two"])

    np.testing.assert_array_equal(second, first)
    assert graph.stat().st_mtime_ns == written


def test_a_cache_that_cannot_be_written_costs_an_export_only(tmp_path, monkeypatch):
    """
    The embedder starts, and says why its next start takes as long.
    """
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    folder = str(tiny_model(tmp_path, pooling="mean"))

    with pytest.warns(UncachedGraphWarning, match=r"the ONNX graph of embedder '.*' is not kept"):
        encoder = Encoder(folder, backend="onnx")

    assert encoder.encode(["two plus two"]).shape == (1, 32)


def test_other_vectors_are_refused(tmp_path, monkeypatch):
    """
    Nothing is kept then: a bar above 1 stands for a graph that computes something else.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("scope.embedding.onnx_model.LOWEST_COSINE", 1.1)
    folder = str(tiny_model(tmp_path, pooling="mean"))

    with pytest.raises(ConfigError, match=r"has other vectors on onnxruntime.*cosine of 1\.0000"):
        Encoder(folder, backend="onnx")
    assert not list((tmp_path / "cache" / "encoders").glob("*/model.onnx"))


def test_a_missing_package_is_named(monkeypatch):
    """
    With the command that installs it, and the way round it.
    """
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(
        ConfigError, match=r"needs the package onnxruntime.*or choose backend torch"
    ):
        Encoder(backend="onnx")
