"""Grow a bank by the feedback of a decision log, and by measured questions."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bank import (
    InputKind,
    check_new,
    save_bank_now,
    with_findings_of_both,
)
from pipelines.embedding.cached import embed_texts
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.terminal import Stages
from scope.arrays import Float32Array
from scope.bank import Bank, BankManifest, load_bank, read_manifest
from scope.config import EncoderConfig
from scope.embedding import EmbedderSpec, resolve_model
from scope.errors import BankError, EmbedderMismatchError, join_names
from scope.forecast import measured_anchors
from scope.outcomes import Outcomes, read_outcomes_table
from scope.predictor import fit_bank, predict_reference_population
from scope.questions import read_questions
from scope.traffic import (
    GrownBank,
    LoggedFeedback,
    NewQuestion,
    grow_bank,
    questions_from_answers,
    questions_from_outcomes,
)

OUTCOMES = "outcomes.parquet"
"""File of a folder that ``scope measure`` wrote."""


@dataclass(frozen=True, slots=True)
class GrowInputs:
    """The inputs of a growth, as the user names them; at least one source."""

    bank: Path
    decisions: Path | None = None
    """Folder of a decision log with scores."""
    outcomes: Path | None = None
    """Folder of ``scope measure``, or its file of outcomes; with `questions`."""
    questions: Path | None = None
    config: EncoderConfig = field(default_factory=EncoderConfig)
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """New questions of one source, and the outcomes of models that the bank does not know."""

    name: str
    questions: tuple[NewQuestion, ...]
    unknown: dict[str, int]


@dataclass(frozen=True, slots=True)
class GrowReport:
    """What a bank got.

    Attributes
    ----------
    manifest : BankManifest
        Of the new bank.
    models : tuple of str
    feedback : LoggedFeedback or None
    sources : tuple of Source
        Measured questions first.
    grown : tuple of GrownBank
        After each source.
    is_fitted : bool
    lost : tuple of str
        What was fitted to the former bank and is not in the new one.
    has_measured_anchors : bool
        Whether enough anchors have outcomes of most models.
    """

    manifest: BankManifest
    models: tuple[str, ...]
    feedback: LoggedFeedback | None
    sources: tuple[Source, ...]
    grown: tuple[GrownBank, ...]
    is_fitted: bool
    lost: tuple[str, ...]
    has_measured_anchors: bool

    def to_json(self) -> dict[str, Any]:
        """Return the manifest, and what each source added."""
        sources = [
            {
                "source": source.name,
                "questions": len(source.questions),
                "new_anchors": grown.n_new,
                "added": dict(zip(self.models, grown.n_added_m.tolist(), strict=True)),
                "already_known": grown.n_known,
                "unknown_models": source.unknown,
            }
            for source, grown in zip(self.sources, self.grown, strict=True)
        ]
        facts = {**self.manifest.model_dump(mode="json"), "grown_by": sources}
        return facts if self.feedback is None else {**facts, "feedback": self.feedback.to_json()}


def grow(inputs: GrowInputs, output: Path, stages: Stages | None = None) -> GrowReport:
    """Add what the sources tell to a bank, fit it if it was fitted, and save it.

    Parameters
    ----------
    inputs : GrowInputs
    output : Path
        Must not exist.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong, or nothing is added; nothing is written then.
    """
    check_new(output)
    stages = stages or Stages()
    stages.plan(
        *("reading", "looking up", "starting Ray", "embedding", "growing", "fitting"),
        *("choosing", "writing"),
    )
    stages.begin("reading")
    manifest, bank = read_manifest(inputs.bank), load_bank(inputs.bank)
    feedback = None if inputs.decisions is None else LoggedFeedback.read(inputs.decisions)
    sources = _sources(inputs, bank, feedback)
    texts = [question.text for source in sources for question in source.questions]
    embedding_qd = _embed(texts, bank.embedder, inputs, stages)
    second_qy = None
    if bank.second is not None:
        second_qy = _embed(texts, bank.second.embedder, inputs, stages)
    stages.begin("growing")
    grown, first = list[GrownBank](), 0
    for source in sources:
        last = first + len(source.questions)
        latest = grown[-1].bank if grown else bank
        second = None if second_qy is None else second_qy[first:last]
        grown.append(grow_bank(latest, source.questions, embedding_qd[first:last], second))
        first = last
    if not sum(int(step.n_added_m.sum()) for step in grown):
        raise BankError(f"bank {inputs.bank} knows all of these outcomes already; nothing to add")
    stages.begin("fitting")
    new = _fitted_as(bank, grown[-1].bank, stages)
    stages.begin("writing")
    names = tuple(_source_text(*pair) for pair in zip(sources, grown, strict=True))
    read: dict[InputKind, Path | None] = {
        "decisions": inputs.decisions,
        "questions": inputs.questions,
        "outcomes": inputs.outcomes,
    }
    written = save_bank_now(
        new,
        output,
        (*manifest.sources, *names),
        command="scope bank grow",
        parent=inputs.bank,
        inputs=[(kind, path) for kind, path in read.items() if path is not None],
    )
    return GrowReport(
        written,
        new.model_ids,
        feedback,
        sources,
        tuple(grown),
        new.forecaster is not None,
        _lost(bank),
        _has_measured_anchors(new),
    )


def _sources(inputs: GrowInputs, bank: Bank, feedback: LoggedFeedback | None) -> tuple[Source, ...]:
    """Return the new questions: measured ones first, as they are more than one model's."""
    sources = list[Source]()
    if inputs.outcomes is not None and inputs.questions is not None:
        sources.append(_measured(inputs.outcomes, inputs.questions, bank))
    if feedback is not None and inputs.decisions is not None:
        questions, unknown = questions_from_answers(feedback.answers, bank.model_ids, bank.fact)
        sources.append(Source(f"feedback of {inputs.decisions.name}", questions, dict(unknown)))
    if not any(source.questions for source in sources):
        names = join_names(sorted({name for source in sources for name in source.unknown}))
        raise BankError(
            f"bank {inputs.bank} has none of the models with new outcomes: {names}; "
            "add a model by `scope bank add-model`"
        )
    return tuple(sources)


def _measured(path: Path, questions_path: Path, bank: Bank) -> Source:
    file = path / OUTCOMES if path.is_dir() else path
    questions = read_questions(questions_path, fact=bank.fact)
    rows = read_outcomes_table(file)
    names = rows["model"].cast(pa.string())
    known = pc.is_in(names, pa.array(bank.model_ids, pa.string()))
    unknown = Counter(names.filter(pc.invert(known)).to_pylist())
    outcomes = Outcomes.from_table(rows.filter(known), questions.ids, bank.model_ids, str(file))
    new = questions_from_outcomes(questions, outcomes)
    if not new and not unknown:
        raise BankError(f"{file} has no outcome for any question of {questions_path}")
    return Source(f"outcomes of {path.name}", new, dict(unknown))


def _embed(
    texts: list[str], spec: EmbedderSpec, inputs: GrowInputs, stages: Stages
) -> Float32Array:
    """Return the vectors of the texts in an embedding space of the bank."""
    _, revision = resolve_model(spec.name, spec.revision)
    here = spec.model_copy(update={"revision": revision})
    if not spec.is_compatible_with(here):
        raise EmbedderMismatchError(str(spec), str(here))
    encoder = EncoderSpec.of(spec, inputs.config, inputs.cache)
    return embed_texts(texts, encoder, stages)


def _fitted_as(old: Bank, grown: Bank, stages: Stages) -> Bank:
    """Return the grown bank, fitted as the old one was, with the same settings."""
    if old.forecaster is not None:
        fitted = fit_bank(replace(grown, reference=old.reference))
        return with_findings_of_both(fitted, stages, keep=old.joint_forecaster is not None)
    return replace(grown, reference=predict_reference_population(grown, old.anchor_config))


def _has_measured_anchors(bank: Bank) -> bool:
    known_am = ~np.isnan(bank.outcomes.correct_am)
    most_a = 2 * known_am.sum(axis=1) > known_am.any(axis=0).sum()
    return bool(most_a[measured_anchors(bank.outcomes.correct_am)].all())


def _lost(bank: Bank) -> tuple[str, ...]:
    """Return what was fitted to the old bank and must be fitted again."""
    lost = []
    if bank.reasoner is not None:
        lost.append("the weights of the reasoner (`scope bank fit --predictor scope`)")
    if bank.forecaster is not None and any(model.resampling for model in bank.models):
        lost.append("what several samples of a model are worth (`scope bank fit-samples`)")
    return tuple(lost)


def _source_text(source: Source, grown: GrownBank) -> str:
    """Return the line of the manifest about one source."""
    n_outcomes = int(grown.n_added_m.sum())
    return f"{source.name}: {grown.n_new:,} new anchors, {n_outcomes:,} new outcomes"
