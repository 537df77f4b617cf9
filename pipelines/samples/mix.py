"""Mix prompts from several sources into one file."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.terminal import Stages
from scope.errors import ConfigError, QuestionError
from scope.questions import MAX_PROMPT_CHARS, HubDataset, SourceRow, iter_rows
from scope.storage import atomic_file

PROMPT_FIELDS = ("prompt", "question", "instruction")
"""Fields that hold the prompt; the first that a row has. ``input`` follows ``instruction``."""

KEPT_FIELDS = {"gt": ("gt", "gold"), "category": ("category",), "grader": ("grader",)}
"""Fields of a question that a mixed prompt keeps, and their names in a source."""

HUB = "hf:"


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where prompts come from.

    Attributes
    ----------
    name : str
        First part of their ids.
    where : Path or HubDataset
    count : int or None
        Prompts to draw; None takes all.
    """

    name: str
    where: Path | HubDataset
    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> "PromptSource":
        """Read ``NAME=PLACE[:COUNT]``; the place is a file, a folder or ``hf:OWNER/NAME[@SPLIT]``.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        name, equals, place = text.partition("=")
        head, colon, tail = place.rpartition(":")
        count = int(tail) if colon and tail.isdecimal() else None
        place = place if count is None else head
        if not equals or not name or "/" in name or not place or count == 0:
            raise ConfigError(
                f"--source is {text!r}; expected NAME=PLACE or NAME=PLACE:COUNT, a name without "
                "slashes, a file, a folder or hf:OWNER/NAME@SPLIT, and a count of at least 1"
            )
        if place.startswith(HUB):
            dataset, _, split = place.removeprefix(HUB).partition("@")
            return cls(name, HubDataset(dataset, split or None), count)
        return cls(name, Path(place), count)

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows of the source."""
        return self.where.rows() if isinstance(self.where, HubDataset) else iter_rows(self.where)


@dataclass(frozen=True, slots=True)
class MixedSource:
    """What was taken from one source."""

    name: str
    written: int
    found: int
    """Different prompts in the source."""
    repeated: int
    """Rows whose prompt was there before, in this source or an earlier one."""


def mix_prompts(
    sources: Sequence[PromptSource], output: Path, *, seed: int, stages: Stages | None = None
) -> list[MixedSource]:
    """Draw prompts from each source and write them, one object a line, ids ``source/row``.

    A prompt that occurs twice is taken once. The same seed draws the same prompts of a source,
    whatever the other sources are, as long as they share no prompt.

    Raises
    ------
    ConfigError
        If two sources share a name, or a source has too few prompts.
    QuestionError
        If a source cannot be read, or a row has no prompt.
    """
    stages = stages or Stages()
    if len({source.name for source in sources}) < len(sources):
        raise ConfigError("two --source have the same name, and so would their prompts' ids")
    seen: set[str] = set()
    mixed = []
    with atomic_file(output) as draft, draft.open("w", encoding="utf-8") as file:
        for source in sources:
            stages.begin(f"reading {source.name}")
            found = dict(_new_prompts(source, seen, stages))
            n_rows = stages.current.done if stages.current else 0
            ids = _draw(list(found), source, seed)
            file.writelines(
                json.dumps({"id": id_, **found[id_]}, ensure_ascii=False) + "\n" for id_ in ids
            )
            mixed.append(MixedSource(source.name, len(ids), len(found), n_rows - len(found)))
    return mixed


def _new_prompts(
    source: PromptSource, seen: set[str], stages: Stages
) -> Iterable[tuple[str, dict[str, str]]]:
    """Yield the prompts that were not seen before, with their ids."""
    for number, source_row in enumerate(source.rows()):
        stages.advance()
        question = _question(source_row)
        if question["prompt"] not in seen:
            seen.add(question["prompt"])
            yield f"{source.name}/{number}", question


def _question(source_row: SourceRow) -> dict[str, str]:
    row = source_row.row
    if not isinstance(row, Mapping):
        raise QuestionError(f"{source_row} is a {type(row).__name__}; expected an object")
    question = {"prompt": _prompt(row, str(source_row))}
    for name, fields in KEPT_FIELDS.items():
        value = next((row[field] for field in fields if row.get(field) is not None), None)
        if value is not None:
            question[name] = str(value)
    return question


def _prompt(row: Mapping[str, Any], location: str) -> str:
    field = next((name for name in PROMPT_FIELDS if row.get(name) is not None), None)
    if field is None:
        raise QuestionError(
            f"{location} has none of {', '.join(PROMPT_FIELDS)}; its fields are {', '.join(row)}"
        )
    text = row[field]
    if field == "instruction" and row.get("input"):
        text = f"{text}\n\n{row['input']}"
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_PROMPT_CHARS:
        raise QuestionError(
            f"{location}: {field} is {text!r:.40}; expected text of 1 to {MAX_PROMPT_CHARS:,} "
            "characters"
        )
    return text


def _draw(ids: Sequence[str], source: PromptSource, seed: int) -> list[str]:
    """Return the ids to take, in the order of the source."""
    count = len(ids) if source.count is None else source.count
    if count > len(ids):
        raise ConfigError(
            f"source {source.name!r} has {len(ids):,} different prompts, and {count:,} are asked "
            "for; lower its count"
        )
    places = sorted(random.Random(f"{seed}/{source.name}").sample(range(len(ids)), count))
    return [ids[place] for place in places]
