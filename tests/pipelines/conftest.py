"""Small predictions, and the inputs of the runs that tests disturb."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.embedding.cached import open_embedding_cache
from pipelines.embedding.encoder_actor import EncoderSpec
from scope import AnchorConfig, save_bank
from scope.bank.reference_population import ReferencePopulation
from scope.embedding import MINILM
from scope.embedding.spec import EmbedderSpec
from scope.outcomes import Outcomes
from scope.pool import Resampling
from scope.routing.prediction_store import (
    FOLDER,
    OUTCOMES,
    REFERENCE,
    PredictionsManifest,
    write_manifest,
    write_shard,
)
from tests.factories.banks import (
    LARGE,
    SMALL,
    bank_of,
    bill_ratio_of,
    predictions_of,
    rows_of,
    unit,
)
from tests.pipelines.runs import content, finish

P = [[0.5, 0.9], [0.5, 0.6], [0.5, 0.8]]
COST = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    """A cache that has a vector of each of some texts, so that no Ray starts."""

    def fill(*texts, encoder=MINILM, layer=None):
        monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
        vectors = np.random.default_rng(0).standard_normal((len(texts), 384))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        spec = EncoderSpec(encoder, None, cache=tmp_path / "cache", layer=layer)
        with open_embedding_cache(spec) as cache:
            cache.add(cache.keys(texts), vectors.astype(np.float32))

    return fill


@pytest.fixture
def predicted(tmp_path):
    """An output folder of ``scope predict``: three questions, two models, outcomes known."""
    return write_predicted(tmp_path / "predicted", (SMALL, LARGE))


@pytest.fixture
def sampled(tmp_path):
    """The same, from a bank that assumes what samples of the small model are worth."""
    prior = Resampling(concentration=2.0, odds=3.0, selector="majority", source="assumed")
    small = SMALL.model_copy(update={"resampling": prior})
    return write_predicted(tmp_path / "sampled", (small, LARGE))


@pytest.fixture
def compared(tmp_path):
    """The same, from a bank whose bills were twice the plan at alpha 0, and as planned at 1."""
    ratio = bill_ratio_of(*np.linspace(2, 1, 11))
    return write_predicted(tmp_path / "compared", (SMALL, LARGE), ratio)


def write_predicted(output, models, bill_ratio=None):
    """Write predictions of `models` as ``scope predict`` does; return `output`."""
    folder = output / FOLDER
    folder.mkdir(parents=True)
    predictions = predictions_of(P, COST, models=("small", "large"))
    write_shard(folder, 0, predictions.to_table("anchors"))
    tokens = np.full((3, 2), 100.0)
    outcomes = Outcomes(("small", "large"), np.array([[0, 1.0]] * 3), tokens, tokens)
    pq.write_table(outcomes.to_table(predictions.question_ids), folder / OUTCOMES)
    tokens_qm = np.array([[1e6, 1e5]] * 3)
    ReferencePopulation(AnchorConfig(), np.array(P), tokens_qm, tokens_qm).save(folder / REFERENCE)
    spec = EmbedderSpec(name="x", revision="1", dimension=4)
    write_manifest(
        folder,
        PredictionsManifest(
            n_questions=3,
            bank_version="abc",
            embedder=spec,
            anchors=AnchorConfig(),
            models=models,
            bill_ratio=bill_ratio,
            files={},
        ),
    )
    return output


N_ANCHORS, N_QUESTIONS = 400, 12_000


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A bank of random outcomes, and 12,000 questions whose vectors are known: 24 shards."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    n = N_ANCHORS + N_QUESTIONS
    whole = bank_of(rng.random((n, 2)) < 0.6, embedding=unit(rng.standard_normal((n, 64))))
    for name, rows in (("bank", slice(0, N_ANCHORS)), ("questions", slice(N_ANCHORS, n))):
        save_bank(rows_of(whole, rows), folder / name, created_at="2026-01-01", sources=())
    return ["--bank", folder / "bank", "--query-file", folder / "questions"]


@pytest.fixture(scope="session")
def uninterrupted(inputs, tmp_path_factory):
    """The files, by name, of an uninterrupted run on one machine."""
    output = tmp_path_factory.mktemp("uninterrupted")
    finish(inputs, output)
    return content(output)


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """Three blocks of short questions for the embedded bank."""
    path = tmp_path_factory.mktemp("texts") / "questions.jsonl"
    rows = [{"id": f"q{n}", "prompt": f"What is {n} + {n}{'?' * (n % 7)}"} for n in range(768)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return ["--query-file", path, "--replicas", 1]
