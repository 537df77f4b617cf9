"""Prompts and replies of training data, written by the code that queries a reasoner."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.finetune.data import FinetuneData, FinetuneRow
from scope.bank import example_outcome
from scope.errors import ConfigError
from scope.reasoner import (
    Example,
    ExampleOutcome,
    PoolExample,
    PoolPromptBuilder,
    PromptBuilder,
    PromptTokenizer,
    ReasonerConfig,
    write_pool_reply,
    write_reply,
)


@dataclass(frozen=True, slots=True)
class RenderedRow:
    """A prompt, the reply to learn, and the outcomes that a reply is judged by.

    Attributes
    ----------
    prompt : str
        As an engine gets it: the chat, and the forced beginning of the reply if there is one.
    reply : str
        The rest of the reply, without the token that ends it.
    correct : tuple of float
        Of each target model, in [0, 1].
    tokens : tuple of float
        Length of each target model's answer.
    """

    prompt: str
    reply: str
    correct: tuple[float, ...]
    tokens: tuple[float, ...]


class RowRenderer:
    """Writes the prompts and replies of training data for one checkpoint.

    Parameters
    ----------
    data : FinetuneData
    config : ReasonerConfig
        Its template is that of the data.
    tokenizer : PromptTokenizer
        Of the checkpoint.

    Raises
    ------
    ConfigError
        If the template cannot be used, or the context has no room for one example.
    """

    def __init__(
        self, data: FinetuneData, config: ReasonerConfig, tokenizer: PromptTokenizer
    ) -> None:
        self._data, self._reasoning = data, config.reasoning
        models = data.outcomes.models
        self._write: Callable[[FinetuneRow], RenderedRow]
        if data.spec.form == "pool":
            self._pool = PoolPromptBuilder.from_config(config, tokenizer, len(models))
            self._pool.check_room(models)
            self._write = self._about_pool
        else:
            self._single = PromptBuilder.from_config(config, tokenizer)
            self._single.check_room(max(models, key=len))
            self._write = self._about_model

    def render(self, row: FinetuneRow) -> RenderedRow:
        """Return the prompt and the reply of one row."""
        return self._write(row)

    def _about_model(self, row: FinetuneRow) -> RenderedRow:
        data, (column,) = self._data, row.columns
        (outcome,), correct, tokens = self._target(row)
        return RenderedRow(
            self._single.build(
                data.outcomes.models[column],
                shown_examples(data, row),
                data.prompts[row.question],
            ),
            write_reply(*outcome, row.analysis, self._reasoning),
            correct,
            tokens,
        )

    def _about_pool(self, row: FinetuneRow) -> RenderedRow:
        data = self._data
        models = [data.outcomes.models[column] for column in row.columns]
        shown = [
            PoolExample(
                data.prompts[a],
                tuple(example_outcome(data.outcomes, a, column) for column in row.columns),
            )
            for a in row.examples
        ]
        outcomes, correct, tokens = self._target(row)
        return RenderedRow(
            self._pool.build(models, shown, data.prompts[row.question]),
            write_pool_reply(outcomes, row.analysis, self._reasoning),
            correct,
            tokens,
        )

    def _target(
        self, row: FinetuneRow
    ) -> tuple[list[ExampleOutcome], tuple[float, ...], tuple[float, ...]]:
        """Return the outcomes to learn, and what they are made of."""
        data, columns = self._data, list(row.columns)
        correct = tuple(data.outcomes.correct_am[row.question, columns].tolist())
        tokens = tuple(data.outcomes.completion_tokens_am[row.question, columns].tolist())
        outcomes = [
            ExampleOutcome(length, label(share, data.ids[row.question], data.outcomes.models[m]))
            for m, share, length in zip(columns, correct, tokens, strict=True)
        ]
        return outcomes, correct, tokens


def shown_examples(data: FinetuneData, row: FinetuneRow) -> list[Example]:
    """Return the examples of a row about one model, which was run on all of them."""
    (column,) = row.columns
    known = ((a, example_outcome(data.outcomes, a, column)) for a in row.examples)
    return [Example(data.prompts[a], *outcome) for a, outcome in known if outcome is not None]


def label(correct: float, question_id: str, model: str) -> bool:
    """Return the answer to learn: yes in a share `correct` of all cells, decided by their hash.

    So a soft outcome of 0.7 teaches a probability of 0.7; 1 is always yes, and 0 never.
    """
    digest = hashlib.sha256(f"{model}\n{question_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < correct * 2**64


def rows_table(
    renderer: RowRenderer, rows: Sequence[FinetuneRow], advance: Callable[[int], None]
) -> pa.Table:
    """Return all rows as a table with the columns of `RenderedRow`."""
    rendered = []
    for row in rows:
        rendered.append(renderer.render(row))
        advance(1)
    return pa.table(
        {
            "prompt": pa.array([row.prompt for row in rendered], pa.string()),
            "reply": pa.array([row.reply for row in rendered], pa.string()),
            "correct": pa.array([row.correct for row in rendered], pa.list_(pa.float64())),
            "tokens": pa.array([row.tokens for row in rendered], pa.list_(pa.float64())),
        }
    )


def check_labels(table: pa.Table, source: str) -> None:
    """Raise `ConfigError` if all outcomes are the same: there is nothing to learn."""
    outcomes = {value for row in table["correct"].to_pylist() for value in row}
    if len(outcomes) < 2:
        raise ConfigError(
            f"{source} has {table.num_rows:,} rows to train on, all with the outcome "
            f"{', '.join(f'{value:g}' for value in outcomes) or 'unknown'}; expected right and "
            "wrong answers"
        )
