"""Build a bank from questions, outcomes and prices."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipelines.bank.files import InputKind, check_new, save_bank_now
from pipelines.bank.named_encoder import DEFAULT_ENCODER, NamedEncoder
from pipelines.config import JobConfig
from pipelines.embedding.cached import embed_texts
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.terminal import Stages
from scope.arms import select_arms
from scope.arrays import Float32Array
from scope.bank import Bank, BankManifest, SecondEmbeddings
from scope.columns import CATEGORY
from scope.config import AnchorConfig
from scope.embedding import EmbedderSpec, resolve_model, text_features
from scope.errors import BankError
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec
from scope.predictor import predict_reference_population
from scope.prices import Prices, load_prices
from scope.questions import REFUSE, HubDataset, Questions, read_questions

ASSEMBLING = ("looking up", "starting Ray", "embedding", "fitting")
"""Stages of `assemble_bank`."""


@dataclass(frozen=True, slots=True)
class BankInputs:
    """The inputs of a bank, as the user names them."""

    questions: Path | HubDataset
    outcomes: Path
    prices: Path | Prices
    """A price file, or its content."""
    split: str | None = None
    sample: int | None = None
    on_too_long: str = REFUSE
    fact: str = CATEGORY
    """Field of the questions that holds their categories."""
    keep_prompts: bool = True
    encoders: tuple[NamedEncoder, ...] = (DEFAULT_ENCODER,)
    """The first and, if there is one, the second."""
    sources: tuple[str, ...] = ()
    config: JobConfig = field(default_factory=JobConfig)
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""
    made_from: tuple[tuple[InputKind, Path], ...] = ()
    """Files of the user's that `questions` and `outcomes` were made from; (): they are such."""
    command: str = "scope bank build"
    """For the lineage of the bank."""


def build_bank(inputs: BankInputs, output: Path, stages: Stages | None = None) -> BankManifest:
    """Embed the questions, align the outcomes, predict the reference population and save.

    Parameters
    ----------
    inputs : BankInputs
    output : Path
        Must not exist.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    check_new(output)
    stages = stages or Stages()
    stages.plan("reading", *ASSEMBLING, "writing")
    stages.begin("reading")
    questions = read_questions(
        inputs.questions, split=inputs.split, on_too_long=inputs.on_too_long, fact=inputs.fact
    )
    if inputs.sample is not None:
        questions = questions.sample(inputs.sample)
    stages.advance(len(questions))
    rows = read_outcomes_table(inputs.outcomes)
    names = tuple(pc.unique(rows["model"].cast("string")).to_pylist())
    prices = load_prices(inputs.prices) if isinstance(inputs.prices, Path) else inputs.prices
    models = select_arms(prices, names, str(inputs.prices))
    outcomes = Outcomes.from_table(rows, questions.ids, names, str(inputs.outcomes))
    if np.isnan(outcomes.correct_am).all():
        raise BankError(f"{inputs.outcomes} has no outcome for any question of {inputs.questions}")
    encoders = [each.spec(inputs.config.encoder, inputs.cache) for each in inputs.encoders]
    anchors = inputs.config.anchors or AnchorConfig()
    bank = assemble_bank(questions, outcomes, models, encoders, anchors, stages)
    bank = replace(bank, fact=inputs.fact)
    if not inputs.keep_prompts:
        bank = replace(bank, prompts=None, gold_answers=(None,) * len(questions))
    stages.begin("writing")
    used = list(inputs.made_from)
    if not used:
        used.append(("outcomes", inputs.outcomes))
        if isinstance(inputs.questions, Path):
            used.append(("questions", inputs.questions))
    return save_bank_now(
        bank,
        output,
        inputs.sources,
        command=inputs.command,
        inputs=used,
    )


def _embed_second(
    prompts: tuple[str, ...], encoder: EncoderSpec, stages: Stages
) -> SecondEmbeddings:
    vector_ay = embed_texts(prompts, encoder, stages)
    # Rounded as in the stored bank, as those of the first.
    return SecondEmbeddings(
        _embedder_spec(encoder, vector_ay), vector_ay.astype(np.float16).astype(np.float32)
    )


def _embedder_spec(encoder: EncoderSpec, embedding_ad: Float32Array) -> EmbedderSpec:
    return EmbedderSpec(
        name=encoder.name,
        revision=resolve_model(encoder.name, encoder.revision)[1],
        dimension=embedding_ad.shape[1],
        backend=encoder.backend,
        layer=encoder.layer,
    )


def assemble_bank(
    questions: Questions,
    outcomes: Outcomes,
    models: tuple[ModelSpec, ...],
    encoders: Sequence[EncoderSpec],
    anchors: AnchorConfig,
    stages: Stages,
) -> Bank:
    """Embed questions with known outcomes, and predict the reference population.

    Parameters
    ----------
    questions : Questions
    outcomes : Outcomes
        Of these questions and models, in this order.
    models : tuple of ModelSpec
    encoders : sequence of EncoderSpec
        The first and, if there is one, the second.
    anchors : AnchorConfig
        How the reference population is predicted.
    stages : Stages
        Receives the progress, with the stages of `ASSEMBLING`.

    Returns
    -------
    Bank
        Not fitted; with the texts.
    """
    first, *more = encoders
    embedding_ad = embed_texts(questions.prompts, first, stages)
    second = _embed_second(questions.prompts, more[0], stages) if more else None
    stages.begin("fitting")
    bank = Bank(
        ids=questions.ids,
        categories=questions.categories,
        prompts=questions.prompts,
        gold_answers=questions.gold_answers,
        # Rounded as in the stored bank: the reference population must be predicted from it.
        embedding_ad=embedding_ad.astype(np.float16).astype(np.float32),
        features_af=text_features(questions.prompts),
        models=models,
        outcomes=outcomes,
        embedder=_embedder_spec(first, embedding_ad),
        second=second,
    )
    return replace(bank, reference=predict_reference_population(bank, anchors))
