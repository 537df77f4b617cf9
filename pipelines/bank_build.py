"""Build a bank: questions, outcomes and prices in, one immutable folder out."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipelines.embed import TextEncoder
from pipelines.new_bank import refuse_existing, save_now
from pipelines.stages import Stages
from pipelines.texts import embed_texts
from scope.bank import Bank, Manifest
from scope.config import AnchorConfig
from scope.embedder import MINILM, EmbedderSpec, locate
from scope.errors import BankError
from scope.features import text_features
from scope.hub import HubSet
from scope.outcomes import Outcomes, read_outcomes_table
from scope.population import calibrate
from scope.prices import load_prices, select
from scope.questions import read_questions
from scope.settings import ScopeConfig


@dataclass(frozen=True, slots=True)
class BankInputs:
    """What a bank is built from, as a user names it."""

    questions: Path | HubSet
    outcomes: Path
    prices: Path
    split: str | None = None
    sample: int | None = None
    keep_prompts: bool = True
    embedder: str = MINILM
    revision: str | None = None
    sources: tuple[str, ...] = ()
    config: ScopeConfig = field(default_factory=ScopeConfig)
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""


def build_bank(inputs: BankInputs, output: Path, stages: Stages | None = None) -> Manifest:
    """Embed the questions, lay out the outcomes, calibrate and save.

    Parameters
    ----------
    inputs : BankInputs
    output : Path
        Must not exist.
    stages : Stages, optional
        Told which stage is worked on and how far it is.

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    refuse_existing(output)
    stages = stages or Stages()
    stages.expect("reading", "looking up", "starting Ray", "embedding", "calibrating", "writing")
    stages.begin("reading")
    questions = read_questions(inputs.questions, split=inputs.split)
    if inputs.sample is not None:
        questions = questions.sample(inputs.sample)
    stages.advance(len(questions))
    rows = read_outcomes_table(inputs.outcomes)
    names = tuple(pc.unique(rows["model"].cast("string")).to_pylist())
    models = select(load_prices(inputs.prices), names, str(inputs.prices))
    outcomes = Outcomes.from_table(rows, questions.ids, names, str(inputs.outcomes))
    if np.isnan(outcomes.correct_am).all():
        raise BankError(f"{inputs.outcomes} has no outcome for any question of {inputs.questions}")
    encoder = TextEncoder(inputs.embedder, inputs.revision, inputs.config.encoder, inputs.cache)
    embedding_ad = embed_texts(questions.prompts, encoder, stages)
    stages.begin("calibrating")
    bank = Bank(
        ids=questions.ids,
        categories=questions.categories,
        prompts=questions.prompts if inputs.keep_prompts else None,
        golds=questions.golds if inputs.keep_prompts else (None,) * len(questions),
        # As they will be read back, so that the calibration is that of the stored bank.
        embedding_ad=embedding_ad.astype(np.float16).astype(np.float32),
        features_af=text_features(questions.prompts),
        models=models,
        outcomes=outcomes,
        embedder=EmbedderSpec(
            name=inputs.embedder,
            revision=locate(inputs.embedder, inputs.revision)[1],
            dimension=embedding_ad.shape[1],
        ),
    )
    bank = replace(bank, calibration=calibrate(bank, inputs.config.anchors or AnchorConfig()))
    stages.begin("writing")
    return save_now(bank, output, inputs.sources)
