"""Write the questions of a decision log that a bank should be measured on next."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.embedding.cached import embed_texts
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.terminal import Stages
from pipelines.traffic.redaction import Redactor
from scope.arrays import Float32Array
from scope.bank import Bank, load_bank
from scope.config import EncoderConfig
from scope.embedding import EmbedderSpec, text_features
from scope.errors import ConfigError
from scope.predictor import AnchorPredictor
from scope.routing import DecisionLogReader, finite_or_none
from scope.storage import atomic_file
from scope.traffic import TrafficQuestion, TrafficQuestions, TrafficSample, sample_traffic

SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class SampleInputs:
    """The inputs of a sample, as the user names them."""

    decisions: Path
    bank: Path
    n: int
    redactor: Redactor | None = None
    """None: texts are written as they are."""
    config: EncoderConfig = field(default_factory=EncoderConfig)
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was read and chosen; None is unknown.

    Attributes
    ----------
    n_read, n_with_text : int
        Requests.
    n_truncated : int
        Files of the log that end in a truncated line.
    n_distinct, n_known : int
        Questions that are no near duplicates, and those of them that the bank has.
    n_out_of_distribution : int or None
        Requests that are out of distribution for the bank.
    n_chosen : int
    n_parts : int
        Chosen questions whose text is not all that the model got.
    n_redacted : int or None
        Personal data that was replaced; None: nothing was looked for.
    cosine_limit, covered_before, covered_after : float or None
        As in a `TrafficSample`.
    """

    n_read: int
    n_with_text: int
    n_truncated: int
    n_distinct: int
    n_known: int
    n_out_of_distribution: int | None
    n_chosen: int
    n_parts: int
    n_redacted: int | None
    cosine_limit: float | None
    covered_before: float | None
    covered_after: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def write_sample(inputs: SampleInputs, output: Path, stages: Stages) -> SampleSummary:
    """Choose questions of a decision log and write them as a question file.

    Raises
    ------
    ConfigError
        If `output` has another suffix, or the log has no texts.
    ScopeError
        If the log or the bank cannot be read, or a text not be embedded.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--output is {str(output)!r}; expected a name that ends in .jsonl")
    stages.begin("reading")
    bank, reader = load_bank(inputs.bank), DecisionLogReader(inputs.decisions)
    traffic = TrafficQuestions.from_requests(request for _, request in reader)
    stages.advance(traffic.n_read)
    questions = traffic.questions
    if not questions:
        raise ConfigError(
            f"{inputs.decisions} has {traffic.n_read:,} requests, none with its text; let the "
            "endpoint keep them with `decisions: {prompts: true}`"
        )
    texts = [question.text for question in questions]
    embedding_qd = _embed(texts, bank.embedder, inputs, stages)
    second_qy = None
    if bank.second_in_use is not None:
        second_qy = _embed(texts, bank.second_in_use.embedder, inputs, stages)
    stages.begin("choosing")
    sample = sample_traffic(questions, embedding_qd, bank, inputs.n)
    chosen = [questions[q] for q in sample.chosen_j]
    rows, n_redacted = _rows(chosen, sample, inputs.redactor, stages)
    _write(output, rows)
    return SampleSummary(
        traffic.n_read,
        traffic.n_with_text,
        reader.n_truncated,
        sample.n_distinct,
        sample.n_known,
        _out_of_distribution(questions, embedding_qd, second_qy, bank),
        len(chosen),
        sum(not question.is_whole for question in chosen),
        n_redacted,
        finite_or_none(sample.cosine_limit),
        finite_or_none(sample.covered_before),
        finite_or_none(sample.covered_after),
    )


def _embed(
    texts: Sequence[str], spec: EmbedderSpec, inputs: SampleInputs, stages: Stages
) -> Float32Array:
    return embed_texts(texts, EncoderSpec.of(spec, inputs.config, inputs.cache), stages)


def _rows(
    chosen: Sequence[TrafficQuestion],
    sample: TrafficSample,
    redactor: Redactor | None,
    stages: Stages,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return the rows of the question file (docs/formats.md), and how much was redacted."""
    texts, n_redacted = [question.text for question in chosen], None
    if redactor is not None:
        stages.begin("redacting", len(texts))
        texts, n_redacted = redactor.redact(texts)
        stages.advance(len(texts))
    rows = [
        {
            "id": question.id,
            "prompt": text,
            "source": "traffic",
            "weight": int(sample.weight_j[j]),
            "session": question.session,
            "prompt_is_whole": question.is_whole,
            "similarity": round(float(sample.cosine_j[j]), 6),
        }
        for j, (question, text) in enumerate(zip(chosen, texts, strict=True))
    ]
    return rows, n_redacted


def _write(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    with atomic_file(output) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _out_of_distribution(
    questions: Sequence[TrafficQuestion],
    embedding_qd: Float32Array,
    second_qy: Float32Array | None,
    bank: Bank,
) -> int | None:
    """Return how many requests are out of distribution; None where the bank cannot tell."""
    features_qf = text_features([question.text for question in questions])
    estimates, _ = AnchorPredictor(bank).predict(embedding_qd, features_qf, second_qy=second_qy)
    score_q = estimates.in_distribution_qm[:, 0]
    if np.isnan(score_q).any():
        return None
    return sum(
        question.n_requests for question, score in zip(questions, score_q, strict=True) if score < 1
    )
