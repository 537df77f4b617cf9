"""Prompts and replies of training data, written by the code that queries a reasoner."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.finetune.data import FinetuneData, FinetuneRow
from scope.bank import CORRECT_THRESHOLD
from scope.errors import ConfigError
from scope.reasoner import (
    Example,
    PromptBuilder,
    PromptTokenizer,
    ReasonerConfig,
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
        self._builder = PromptBuilder.from_config(config, tokenizer)
        self._builder.check_room(max(data.outcomes.models, key=len))

    def render(self, row: FinetuneRow) -> RenderedRow:
        """Return the prompt and the reply of one row."""
        data, (column,) = self._data, row.columns
        correct_am, tokens_am = data.outcomes.correct_am, data.outcomes.completion_tokens_am
        model = data.outcomes.models[column]
        examples = [
            Example(
                data.prompts[a],
                float(tokens_am[a, column]),
                bool(correct_am[a, column] >= CORRECT_THRESHOLD),
            )
            for a in row.examples
        ]
        correct, tokens = (float(x_am[row.question, column]) for x_am in (correct_am, tokens_am))
        is_yes = label(correct, data.ids[row.question], model)
        return RenderedRow(
            self._builder.build(model, examples, data.prompts[row.question]),
            write_reply(tokens, is_yes, row.analysis, self._reasoning),
            (correct,),
            (tokens,),
        )


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
