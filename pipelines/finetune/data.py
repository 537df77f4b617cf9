"""Training data of a reasoner as a folder: questions, outcomes, and the examples of each prompt.

It holds no prompt: a prompt is written when a checkpoint is known, whose tokenizer says what fits.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scope.config import StrictModel, parse
from scope.errors import FormatError
from scope.outcomes import UNREADABLE, Outcomes, read_outcomes_table
from scope.reasoner import PromptForm
from scope.samples import Split
from scope.storage import atomic_folder, read_json, write_json
from scope.text_files import read_text

SPEC = "data.json"
TEMPLATE = "prompt.jinja"
QUESTIONS = "questions.parquet"
OUTCOMES = "outcomes.parquet"
ROWS = "rows.parquet"

HELD_OUT: Split = "test"


class FinetuneSpec(StrictModel):
    """How training data was made."""

    bank: str
    """Version of the bank."""
    models: tuple[str, ...]
    """Columns of the outcomes."""
    form: PromptForm
    """A prompt for each model, or one for the whole pool."""
    n_examples: int
    """Most examples of a prompt."""
    teacher: str | None = None
    """Model that wrote the analyses; None without analyses."""
    template: str
    """SHA-256 of the template's text."""


@dataclass(frozen=True, slots=True)
class FinetuneRow:
    """One prompt to learn from.

    Attributes
    ----------
    question : int
        Index of the target question.
    columns : tuple of int
        Index of the target model; of all models whose outcome is known, if `FinetuneSpec.form` is
        ``pool``.
    examples : tuple of int
        Indices of questions, most similar first.
    analysis : str
        Reasoning before the answer; empty without a teacher.
    """

    question: int
    columns: tuple[int, ...]
    examples: tuple[int, ...]
    analysis: str = ""


@dataclass(frozen=True, slots=True)
class FinetuneData:
    """Questions with outcomes, and the prompts to make of them.

    Attributes
    ----------
    spec : FinetuneSpec
    template : str
        Text of the prompt's template.
    ids, prompts : tuple of str
        Of the questions.
    splits : tuple of {"train", "validation", "test"}
        Of the questions. Near duplicates share a split; no question of ``test`` is the target or
        an example of a row of another split.
    outcomes : Outcomes
    rows : tuple of FinetuneRow
    """

    spec: FinetuneSpec
    template: str
    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    splits: tuple[Split, ...]
    outcomes: Outcomes
    rows: tuple[FinetuneRow, ...]

    def rows_of(self, split: Split) -> list[FinetuneRow]:
        """Return the rows whose question is in `split`."""
        return [row for row in self.rows if self.splits[row.question] == split]

    def save(self, path: Path) -> None:
        """Write a new folder, atomically.

        Raises
        ------
        FileExistsError
            If `path` exists.
        """
        with atomic_folder(path) as draft:
            write_json(draft / SPEC, self.spec.model_dump(mode="json"))
            (draft / TEMPLATE).write_text(self.template, encoding="utf-8")
            questions = {"question_id": self.ids, "prompt": self.prompts, "split": self.splits}
            pq.write_table(
                pa.table({k: pa.array(v) for k, v in questions.items()}), draft / QUESTIONS
            )
            pq.write_table(self.outcomes.to_table(self.ids), draft / OUTCOMES)
            rows = {
                "question": pa.array([row.question for row in self.rows], pa.int32()),
                "columns": pa.array([row.columns for row in self.rows], pa.list_(pa.int16())),
                "examples": pa.array([row.examples for row in self.rows], pa.list_(pa.int32())),
                "analysis": pa.array([row.analysis for row in self.rows], pa.string()),
            }
            pq.write_table(pa.table(rows), draft / ROWS)

    @classmethod
    def load(cls, path: Path) -> "FinetuneData":
        """Read a folder.

        Raises
        ------
        FormatError
            If it is no folder of training data, or damaged.
        """
        if not (path / SPEC).is_file():
            raise FormatError(
                f"{path} holds no training data; expected a folder of scope train reasoner data"
            )
        spec = parse(FinetuneSpec, read_json(path / SPEC), str(path / SPEC))
        try:
            template = read_text(path / TEMPLATE)
            questions = pq.read_table(path / QUESTIONS).to_pydict()
            rows = pq.read_table(path / ROWS).to_pylist()
        except (UnicodeDecodeError, *UNREADABLE) as error:
            raise FormatError(f"training data {path} cannot be read: {error}") from error
        ids = tuple(questions["question_id"])
        return cls(
            spec,
            template,
            ids,
            tuple(questions["prompt"]),
            tuple(questions["split"]),
            Outcomes.from_table(
                read_outcomes_table(path / OUTCOMES), ids, spec.models, str(path / OUTCOMES)
            ),
            tuple(
                FinetuneRow(
                    row["question"], tuple(row["columns"]), tuple(row["examples"]), row["analysis"]
                )
                for row in rows
            ),
        )


def held_out_texts(path: Path) -> frozenset[str]:
    """Return the texts of the questions that training data holds out."""
    data = FinetuneData.load(path)
    return frozenset(
        text for text, split in zip(data.prompts, data.splits, strict=True) if split == HELD_OUT
    )
