"""Questions that cannot be predicted are recorded, skipped and retried."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.predict.run import UNFINISHED_FOLDER
from scope import save_bank
from scope.embedding.spec import EmbedderSpec, EmbeddingCache, EmbeddingFingerprint, resolve_model
from tests.factories.banks import bank_of, unit
from tests.factories.models import POISON, tiny_model

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

PROMPTS = {"a": "name the capital of france", "b": f"what is {POISON}", "c": "what is two plus two"}


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """Three questions; the embedder gives one of them no finite vector."""
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    model = str(tiny_model(tmp_path, pooling="mean"))
    _, revision = resolve_model(model, None)
    embedding = unit(np.random.default_rng(0).standard_normal((20, 32)))
    bank = replace(
        bank_of(np.ones((20, 2)), embedding=embedding),
        embedder=EmbedderSpec(name=model, revision=revision, dimension=32),
    )
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    questions = [{"id": name, "prompt": prompt} for name, prompt in PROMPTS.items()]
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    return ["--bank", tmp_path / "bank", "--query-file", tmp_path / "questions.json"]


def rows(output):
    """The predictions as Python objects, two per question."""
    return pq.read_table(sorted((output / "predictions").glob("part-*"))).to_pylist()


def heal(tmp_path):
    """Cache a vector of the failed text, as another process might."""
    model = str(tmp_path / "st")
    fingerprint = EmbeddingFingerprint(name=model, revision=resolve_model(model, None)[1])
    cache = EmbeddingCache(tmp_path / "cache", fingerprint)
    cache.add(cache.keys([PROMPTS["b"]]), unit(np.ones((1, 32))))


def test_a_failed_row_has_an_error_and_is_retried(scope, flags, tmp_path):
    """
    The others are predicted; its values are null; the next run predicts it.
    """
    output = tmp_path / "out"

    code, out, err = scope("predict", *flags, "--reference-files", "--output", output)

    broken = rows(output)
    assert code == 1
    assert "predicted 2 questions" in out
    assert (
        "1 of 3 questions failed, the first 'b': the embedder returned a vector of length nan"
        in err
    )
    assert [row["question_id"] for row in broken] == ["a", "a", "b", "b", "c", "c"]
    assert [row["p_correct"] is None for row in broken] == [False, False, True, True, False, False]
    assert [row["cost_usd"] is None for row in broken] == [False, False, True, True, False, False]
    assert {row["error"] for row in broken if row["question_id"] != "b"} == {None}
    assert all("length nan" in row["error"] for row in broken if row["question_id"] == "b")
    similarity = json.loads((output / "similarity.json").read_text())
    assert [len(question["similar_anchors"]) for question in similarity] == [10, 0, 10]

    heal(tmp_path)
    code, out, _ = scope("predict", *flags, "--output", output)

    assert code == 0
    assert "predicted 3 questions" in out
    assert [row["error"] for row in rows(output)] == [None] * 6
    assert not (output / UNFINISHED_FOLDER).exists()
    kept = [row for row in rows(output) if row["question_id"] != "b"]
    assert kept == [row for row in broken if row["question_id"] != "b"]


def test_a_run_in_which_everything_fails_exits_1(scope, flags, tmp_path):
    """
    Without any vector there are as many errors as questions.
    """
    (tmp_path / "questions.json").write_text(json.dumps([{"id": "b", "prompt": PROMPTS["b"]}]))

    code, _, err = scope("predict", *flags, "--output", tmp_path / "out")

    assert code == 1
    assert "1 of 1 questions failed" in err
    assert [row["p_correct"] for row in rows(tmp_path / "out")] == [None, None]


def test_a_bank_is_not_built_from_failed_texts(scope, flags, tmp_path):
    """
    The error names the text and the reason.
    """
    del flags
    outcomes = [
        {
            "question_id": name,
            "model": "m",
            "correct": 1.0,
            "prompt_tokens": 5,
            "completion_tokens": 5,
        }
        for name in PROMPTS
    ]
    (tmp_path / "prices.json").write_text(json.dumps({"m": {"input": 1, "output": 2}}))
    pq.write_table(pa.Table.from_pylist(outcomes), tmp_path / "outcomes.parquet")

    code, _, err = scope(
        "bank",
        "build",
        *("--questions", tmp_path / "questions.json"),
        *("--outcomes", tmp_path / "outcomes.parquet"),
        *("--prices", tmp_path / "prices.json"),
        *("--embedder", tmp_path / "st"),
        *("--output", tmp_path / "built"),
    )

    assert code == 2
    assert f"1 of 3 texts cannot be embedded; the first is 'what is {POISON}'" in err
    assert not (tmp_path / "built").exists()
