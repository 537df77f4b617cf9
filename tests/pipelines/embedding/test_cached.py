"""Embedding through the cache: which texts reach the encoder, and where vectors are kept."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.embedding.cached import embed_texts, open_embedding_cache
from pipelines.embedding.encoder_actor import BLOCK_ROWS, EncoderSpec
from pipelines.terminal.stages import Stages
from scope.embedding.encoder import Encoder
from scope.embedding.spec import MINILM
from scope.errors import ConfigError
from scope.routing.prediction_store import load_predictions

PROMPTS = [f"What is {n} + {n}?" for n in range(300)]


def embedding(stages):
    """Total and done of each embedding stage."""
    return [(stage.total, stage.done) for stage in stages.all if stage.name == "embedding"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """
    The message names both remedies.
    """
    (tmp_path / "file").write_text("")
    encoder = EncoderSpec(MINILM, None, cache=tmp_path / "file" / "cache")

    with (
        pytest.raises(
            ConfigError, match=r"kept in .*cache: Not a directory; let SCOPE_CACHE.*--no"
        ),
        open_embedding_cache(encoder),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "cache"),
    [
        pytest.param("owner/name", "kept", id="unpinned weights"),
        pytest.param(MINILM, None, id="no cache folder"),
    ],
)
def test_a_temporary_cache_is_deleted(tmp_path, name, cache):
    """
    It works like a permanent one until then.
    """
    encoder = EncoderSpec(name, None, cache=tmp_path / cache if cache else None)

    with open_embedding_cache(encoder) as opened:
        opened.add(opened.keys(["a"]), np.ones((1, 2), np.float32))
        assert opened.lookup(opened.keys(["a"]))[0].all()

    assert not opened.folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_cached_texts_need_no_encoder(tmp_path):
    """
    Ray is not started and no stage begins.
    """
    encoder = EncoderSpec(MINILM, None, cache=tmp_path)
    vectors = np.eye(2, 4, dtype=np.float32)
    with open_embedding_cache(encoder) as cache:
        cache.add(cache.keys(["a", "b"]), vectors)
    stages = Stages()

    got = embed_texts(["b", "a", "b"], encoder, stages)

    assert [stage.name for stage in stages.all] == ["looking up"]
    np.testing.assert_array_equal(got, vectors[[1, 0, 1]])


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_each_text_is_embedded_once(tmp_path):
    """
    Also if it is repeated; a text cached by an earlier run is not embedded.
    """
    encoder = EncoderSpec(MINILM, None, cache=tmp_path)
    known = np.eye(20, 384, dtype=np.float32)
    with open_embedding_cache(encoder) as cache:
        cache.add(cache.keys(PROMPTS[:20]), known)
    first, again = Stages(), Stages()

    once = embed_texts(PROMPTS * 2, encoder, first)
    twice = embed_texts(PROMPTS[::-1], encoder, again)

    assert embedding(first) == [(280, 280)]
    assert embedding(again) == []
    np.testing.assert_array_equal(once[:20], known)
    np.testing.assert_array_equal(once[:300], once[300:])
    np.testing.assert_array_equal(once[:300], twice[::-1])
    np.testing.assert_allclose(once[299], Encoder().encode(PROMPTS[299:])[0], atol=1e-5)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_predictions_do_not_depend_on_the_cache(scope, tmp_path, monkeypatch):
    """
    No cache, a cold one and a warm one give the same bytes, from a data set in the published
    schema with duplicates.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    rows = [
        {"id": f"q{n}", "prompt": PROMPTS[n % 200], "gt": "?", "model_name": model}
        for n in range(280)
        for model in ("small", "large")
    ]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set" / "test.parquet")
    run = ["predict", "--dataset", tmp_path / "set", "--replicas", "1,2"]
    run += ["--reference-files", "--output"]

    results = [
        scope(*run, tmp_path / "none", "--no-cache"),
        scope(*run, tmp_path / "cold"),
        scope(*run, tmp_path / "warm"),
    ]

    assert [code for code, _, _ in results] == [0, 0, 0]
    embedded = [re.findall("^embedding +([0-9]+) rows", err, re.MULTILINE) for _, _, err in results]
    assert embedded == [["200"], ["200"], []]
    none, cold, warm = (
        {
            file.name: file.read_bytes()
            for file in sorted((tmp_path / name).rglob("*"))
            if file.is_file()
        }
        for name in ("none", "cold", "warm")
    )
    assert none == cold == warm
    ids = load_predictions(tmp_path / "warm").predictions.question_ids
    assert ids == tuple(sorted(f"q{n}" for n in range(280)))
    assert json.loads(none["similarity.json"])[0] != json.loads(none["similarity.json"])[1]


class StoppedError(Exception):
    """Simulates a kill after the first block."""


class Stopping(Stages):
    """Stops the job as soon as a block is embedded."""

    def advance(self, more=1, **counts):
        if self.current.name == "embedding":
            raise StoppedError


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path):
    """
    It continues after the last cached block, with the same blocks.
    """
    prompts = [f"What is {n} + {n}{'?' * (n % 7)}" for n in range(700)]
    encoder = EncoderSpec(MINILM, None, cache=tmp_path / "stopped")

    with pytest.raises(StoppedError):
        embed_texts(prompts, encoder, Stopping())
    stages = Stages()
    resumed = embed_texts(prompts, encoder, stages)
    uninterrupted = embed_texts(prompts, EncoderSpec(MINILM, None, cache=tmp_path / "whole"))

    assert embedding(stages) == [(700 - BLOCK_ROWS, 700 - BLOCK_ROWS)]
    np.testing.assert_array_equal(resumed, uninterrupted)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_missing_gpus_are_refused(tmp_path, monkeypatch):
    """
    Ray would wait for them for ever.
    """
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    config = EncoderSpec(MINILM, None).config.model_copy(update={"num_gpus": 64.0})

    with pytest.raises(ConfigError, match="an encoder needs 64 GPUs, this machine has"):
        embed_texts(["a"], EncoderSpec(MINILM, None, config))
