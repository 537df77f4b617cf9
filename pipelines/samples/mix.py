"""Mix prompts from several sources into one file."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.terminal import Stages
from scope.errors import ConfigError
from scope.questions import (
    REFUSE,
    HubDataset,
    LongPrompts,
    SourceRow,
    iter_rows,
    row_prompt,
    row_text,
    unwrapped,
)
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
    sources: Sequence[PromptSource],
    output: Path,
    *,
    seed: int,
    on_too_long: str = REFUSE,
    stages: Stages | None = None,
) -> list[MixedSource]:
    """Draw prompts from each source and write them, one object a line, ids ``source/row``.

    A prompt that occurs twice is taken once. The same seed draws the same prompts of a source,
    whatever the other sources are, as long as they share no prompt. Prompts above the limit are
    refused, cut or left out, as `on_too_long` says.

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
            long_prompts = LongPrompts(on_too_long)
            found = dict(_new_prompts(source, seen, long_prompts, stages))
            long_prompts.warn(source.where)
            n_rows = stages.current.done if stages.current else 0
            n_repeated = n_rows - len(found) - long_prompts.n_skipped
            ids = _draw(list(found), source, seed)
            file.writelines(
                json.dumps({"id": id_, **found[id_]}, ensure_ascii=False) + "\n" for id_ in ids
            )
            mixed.append(MixedSource(source.name, len(ids), len(found), n_repeated))
    return mixed


def _new_prompts(
    source: PromptSource, seen: set[str], long_prompts: LongPrompts, stages: Stages
) -> Iterable[tuple[str, dict[str, str]]]:
    """Yield the prompts that were not seen before, with their ids."""
    for number, source_row in enumerate(source.rows()):
        stages.advance()
        question = _question(source_row, long_prompts)
        if question is not None and question["prompt"] not in seen:
            seen.add(question["prompt"])
            yield f"{source.name}/{number}", question


def _question(source_row: SourceRow, long_prompts: LongPrompts) -> dict[str, str] | None:
    """Return the fields of a prompt; None if it is too long and left out."""
    location = str(source_row)
    row = unwrapped(source_row.row, location)
    prompt = row_prompt(row, PROMPT_FIELDS, location)
    if row.get("instruction") == prompt and row.get("input"):
        prompt = f"{prompt}\n\n{row['input']}"
    limited = long_prompts.limited(prompt, location)
    if limited is None:
        return None
    question = {"prompt": limited}
    for name, fields in KEPT_FIELDS.items():
        if (value := row_text(row, fields, location)) is not None:
            question[name] = value
    return question


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
