"""Labelled prompts for a router, from samples of models on prompts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scope.arms import Arm, sampled_spec
from scope.arrays import FloatArray
from scope.bank import load_bank
from scope.errors import ConfigError
from scope.learned import Loss, RouterData, n_outputs
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec
from scope.prices import load_prices, select_specs
from scope.questions import REFUSE, HubDataset, read_questions
from scope.samples import ArmScores, Samples, Split, read_samples, read_splits, splits_of

CORRECT = "correct"


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """Which arms, and how an arm's answers are compared with those of the reference."""

    reference: str
    arms: tuple[str, ...] = ()
    """The reference may be among them; empty means every other model."""
    loss: Loss = "prob_nlabels"
    margin: float | None = 0.0
    """How much worse than the reference still matches; None: the margin of widest labels."""
    scorer: str = CORRECT
    """Name of the scores that measure quality."""
    selector: str | None = None
    """Name of the scores that choose the best of n samples."""


@dataclass(frozen=True, slots=True)
class PricedSamples:
    """Samples with the prices of their models."""

    samples: Samples
    prices: Mapping[str, ModelSpec]
    source: str
    split_of_id: Mapping[str, Split] = field(default_factory=dict)
    """Of every prompt, or empty: by the hash of the prompt."""


def samples_of_bank(path: Path) -> PricedSamples:
    """Return the outcomes of a bank as samples, one of each model on each question.

    Raises
    ------
    ScopeError
        If it is no bank, or holds no prompts.
    """
    bank = load_bank(path)
    samples = _one_sample(bank.ids, bank.require_prompts(), bank.outcomes)
    return PricedSamples(samples, {model.id: model for model in bank.models}, str(path))


def samples_of_outcomes(
    questions: Path | HubDataset, outcomes: Path, prices: Path, on_too_long: str = REFUSE
) -> PricedSamples:
    """Return questions and a Parquet file of outcomes as samples, one of each model.

    Outcomes of questions that are left out, as too long ones may be, are left out, too.
    """
    asked = read_questions(questions, on_too_long=on_too_long)
    table = read_outcomes_table(outcomes)
    models = tuple(dict.fromkeys(table["model"].cast("string").to_pylist()))
    found = Outcomes.from_table(table, asked.ids, models, str(outcomes))
    return PricedSamples(
        _one_sample(asked.ids, asked.prompts, found), load_prices(prices), str(outcomes)
    )


def _one_sample(ids: tuple[str, ...], prompts: tuple[str, ...], outcomes: Outcomes) -> Samples:
    return Samples(
        ids,
        prompts,
        outcomes.models,
        {CORRECT: outcomes.correct_am[:, :, None]},
        outcomes.prompt_tokens_am,
        outcomes.completion_tokens_am[:, :, None],
    )


def samples_of_files(path: Path, prices: Path) -> PricedSamples:
    """Return the samples of a file, or of all files of a folder, joined by id, and their splits.

    Raises
    ------
    ScopeError
        If the folder holds no samples, or a file cannot be read.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".jsonl", ".parquet"))
        if not files:
            raise ConfigError(f"{path} holds no .jsonl or .parquet file of samples")
    return PricedSamples(read_samples(*files), load_prices(prices), str(path), read_splits(*files))


def router_data(priced: PricedSamples, choice: LabelChoice) -> RouterData:
    """Return the labels, qualities and token counts of the arms, the reference last.

    The split of a prompt is the one that the files state, else that of the hash of its text.

    Raises
    ------
    ScopeError
        If a model, a price or a scorer is unknown, or an arm draws more samples than there are.
    """
    samples = priced.samples
    grid = ArmScores.of(
        samples, choice.reference, choice.arms, scorer=choice.scorer, selector=choice.selector
    )
    n_outputs(choice.loss, len(grid.arms))
    split_q = np.array(splits_of(samples, priced.split_of_id, priced.source))
    margin = choice.margin
    if margin is None:
        margin = grid.best_margin(choice.loss, split_q == "train").margin
    columns = list(grid.columns)
    n_m = np.array([arm.n_samples for arm in grid.arms], dtype=np.float64)
    specs = select_specs(priced.prices, [samples.models[c] for c in columns], "the prices")
    return RouterData(
        prompts=samples.prompts,
        is_train_q=split_q == "train",
        is_validation_q=split_q == "validation",
        models=tuple(map(spec_of_arm, specs, grid.arms)),
        loss=choice.loss,
        margin=margin,
        label_qm=grid.labels(choice.loss, margin),
        quality_qm=grid.quality(),
        prompt_tokens_qm=samples.prompt_tokens_qm[:, columns] * n_m,
        completion_tokens_qm=_mean_tokens(samples)[:, columns] * n_m,
        source=priced.source,
    )


def spec_of_arm(spec: ModelSpec, arm: Arm) -> ModelSpec:
    """Return the spec of an arm, whose tokens are those of all its samples together."""
    one = spec.model_copy(update={"id": str(arm.one_sample)})
    return one if arm.n_samples == 1 else sampled_spec(one, arm.n_samples)


def _mean_tokens(samples: Samples) -> FloatArray:
    """Return the mean completion tokens of the known samples, NaN without any."""
    tokens_qmo = samples.completion_tokens_qmo
    known_qmo = ~np.isnan(tokens_qmo)
    n_qm = known_qmo.sum(axis=-1)
    mean_qm: FloatArray = np.full(n_qm.shape, np.nan)
    np.divide(np.where(known_qmo, tokens_qmo, 0.0).sum(axis=-1), n_qm, out=mean_qm, where=n_qm > 0)
    return mean_qm
