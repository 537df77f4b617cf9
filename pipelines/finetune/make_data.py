"""Make the training data of a reasoner from a bank."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipelines.finetune.data import FinetuneData, FinetuneRow, FinetuneSpec
from pipelines.finetune.examples import nearest_anchors, split_questions
from pipelines.terminal import Stages
from scope.arrays import BoolArray, IntArray
from scope.bank import Bank
from scope.errors import ConfigError
from scope.reasoner import TEMPLATE_OF, PromptForm
from scope.samples import Split
from scope.sampling import hash_sample


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What training data is wanted.

    Attributes
    ----------
    form : {"model", "pool"}
        A prompt for each model, or one for the whole pool.
    n_examples : int
        Most examples of a prompt.
    shares : tuple of float
        Of train, validation and test.
    limit : int or None
        Most questions that prompts are about; None takes all. Every anchor can be an example.
    """

    form: PromptForm = "model"
    n_examples: int = 5
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    limit: int | None = None


def make_data(
    bank: Bank, version: str, template_text: str, options: DataOptions, stages: Stages
) -> FinetuneData:
    """Return one row for each prompt: the question, the target models and the examples.

    The examples are those that a prediction would show, except that a row of train or validation
    shows no question of the hold-out, and none shows a near duplicate of its question. Near
    duplicates are in the same split.

    Parameters
    ----------
    bank : Bank
        With texts.
    version : str
        Version of the bank.
    template_text : str
        Template of the prompts.
    options : DataOptions
    stages : Stages
        Begins the stage ``choosing examples``.

    Raises
    ------
    ConfigError
        If the bank has no texts, a split has no question, or all outcomes are the same.
    """
    prompts = bank.require_prompts()
    splits = split_questions(bank, options.shares)
    _check_splits(splits, options.shares)
    known_am = ~np.isnan(bank.outcomes.correct_am + bank.outcomes.completion_tokens_am)
    outcomes = np.unique(bank.outcomes.correct_am[known_am])
    if len(outcomes) < 2:
        raise ConfigError(
            f"all outcomes of the bank are {', '.join(f'{x:g}' for x in outcomes) or 'unknown'}; "
            "expected right and wrong answers to learn from"
        )
    wanted = set(hash_sample(bank.ids, options.limit or len(bank.ids)))
    stages.begin("choosing examples", len(bank.ids))
    rows: list[FinetuneRow] = []
    for question, anchor_k in enumerate(nearest_anchors(bank, splits)):
        stages.advance(1)
        if question in wanted:
            rows += _rows(question, anchor_k, known_am, options)
    spec = FinetuneSpec(
        bank=version,
        models=bank.model_ids,
        form=options.form,
        n_examples=options.n_examples,
        template=TEMPLATE_OF[options.form](template_text, "of the training data").digest,
    )
    return FinetuneData(spec, template_text, bank.ids, prompts, splits, bank.outcomes, tuple(rows))


class SplitSummary(NamedTuple):
    """The prompts of one split."""

    n_prompts: int
    n_without_examples: int
    share_right: float
    """Mean outcome of the target models; NaN without a prompt."""


def summarise(data: FinetuneData) -> dict[Split, SplitSummary]:
    """Return what each split holds."""
    summaries = dict[Split, SplitSummary]()
    for split in ("train", "validation", "test"):
        rows = data.rows_of(split)
        outcomes = [data.outcomes.correct_am[row.question, m] for row in rows for m in row.columns]
        summaries[split] = SplitSummary(
            len(rows),
            sum(not row.examples for row in rows),
            float(np.mean(outcomes)) if outcomes else math.nan,
        )
    return summaries


def _rows(
    question: int, anchor_k: IntArray, known_am: BoolArray, options: DataOptions
) -> Iterator[FinetuneRow]:
    """Yield the rows about one question."""
    columns = tuple(np.flatnonzero(known_am[question]).tolist())
    if not columns:
        return
    if options.form == "pool":
        shown = anchor_k[known_am[anchor_k][:, columns].any(axis=1)][: options.n_examples]
        yield FinetuneRow(question, columns, tuple(shown.tolist()))
        return
    for column in columns:
        shown = anchor_k[known_am[anchor_k, column]][: options.n_examples]
        yield FinetuneRow(question, (column,), tuple(shown.tolist()))


def _check_splits(splits: Sequence[Split], shares: tuple[float, float, float]) -> None:
    """Raise `ConfigError` if train or validation has no question."""
    for split, share in zip(("train", "validation"), shares[:2], strict=True):
        if split not in splits:
            raise ConfigError(
                f"none of the {len(splits):,} questions of the bank is in the split {split}, "
                f"whose share is {share:g}; expected more questions, or a larger share"
            )
