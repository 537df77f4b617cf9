"""The teacher of ``scope train reasoner data``: its flags, its bill and its calls."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import typer

from pipelines.commands.endpoint_options import endpoint_from_flags
from pipelines.commands.measure_display import show_quote
from pipelines.finetune.data import FinetuneData
from pipelines.finetune.teacher import Teacher
from pipelines.measure import (
    EarlierResults,
    Journal,
    MeasurementRequest,
    MeasureProgress,
    Quote,
    RequestSettings,
    arms_of,
    check_settings,
    measure,
)
from pipelines.terminal import Stages
from scope.errors import ConfigError
from scope.reasoner import REASONING_TOKENS, Reasoning
from scope.upstream import EndpointConfig

TeacherName = Annotated[
    str | None,
    typer.Option(help="Model that explains each outcome; else replies have no analysis."),
]
TeacherReasoning = Annotated[
    str, typer.Option("--reasoning", help="short or full: how long the teacher's analyses are.")
]
TeacherPrices = Annotated[Path | None, typer.Option(help="Price file; else published prices.")]


def teacher_from_flags(name: str, reasoning: str, prices: Path | None, base_url: str) -> Teacher:
    """Return the teacher that the flags name.

    Raises
    ------
    ConfigError
        If it is unknown, or asked for samples, or the reasoning is none that has an analysis.
    """
    lengths: dict[str, int] = {each: REASONING_TOKENS[each] for each in get_args(Reasoning)}
    if not lengths.get(reasoning):
        raise ConfigError(f"--reasoning is {reasoning!r}; expected short or full with --teacher")
    request = MeasurementRequest(Path(), (name,), prices, base_url=base_url)
    (arm,) = arms_of((name,), request)
    if arm.arm.n_samples > 1:
        raise ConfigError(f"teacher {name!r} has samples; expected a model that replies once")
    return Teacher(arm, base_url, lengths[reasoning])


@dataclass(frozen=True, slots=True)
class Teaching:
    """A teacher with its endpoint, and the folder of its replies.

    Attributes
    ----------
    teacher : Teacher
    endpoint : EndpointConfig
    folder : Path
        Continued if it has replies: a run that was killed repeats no call.
    budget_usd : float or None
        Cap on the cost of all runs into the folder.
    """

    teacher: Teacher
    endpoint: EndpointConfig
    folder: Path
    budget_usd: float | None

    def explain(
        self, data: FinetuneData, stages: Stages, *, as_json: bool
    ) -> tuple[FinetuneData, dict[str, float | dict[str, int]]]:
        """Ask the teacher; return the data with its analyses, and its bill and what was dropped.

        Raises
        ------
        ConfigError
            If the endpoint refuses all calls, the budget ends before the last, or too few
            rationales can be used.
        """
        asked = self.teacher.ask_about(data)
        settings = self.teacher.settings()
        check_settings(self.folder, settings)
        with Journal(self.folder, settings, fresh=False) as journal:
            earlier = EarlierResults.read(self.folder)
            pending = earlier.pending(list({it.call.key: it.call for it in asked}.values()))
            show_quote(Quote.from_calls(pending), len(asked) - len(pending), as_json=as_json)
            made = MeasureProgress.after(earlier, len(pending), self.budget_usd)
            requests = RequestSettings(self.endpoint, keep_answers=True, stage="explaining")
            if pending:
                asyncio.run(measure(pending, requests, journal, made, stages))
        if made.done < len(pending):
            raise ConfigError(
                f"--budget-usd {self.budget_usd:g} ends with {len(pending) - made.done:,} of "
                f"{len(asked):,} rationales not asked for; the others are in {self.folder}: run "
                "again with a larger budget, or with fewer questions by --limit"
            )
        taught, dropped = self.teacher.write_analyses(
            data, asked, EarlierResults.read(self.folder).rows
        )
        return taught, {
            "usd": made.spend_cap.usd,
            "possibly_billed_usd": made.spend_cap.possibly_billed_usd,
            "asked": len(asked),
            "dropped": dropped,
        }


def teaching_from_flags(
    name: str,
    reasoning: str,
    prices: Path | None,
    output: Path,
    endpoint: tuple[str, str, int, float | None, float, int],
    budget_usd: float | None,
) -> Teaching:
    """Return the teacher with its endpoint; its replies are kept beside the output.

    Raises
    ------
    ConfigError
        If a flag is wrong, or no key is set.
    """
    teacher = teacher_from_flags(name, reasoning, prices, endpoint[0])
    folder = output.with_name(f"{output.name}.teacher")
    return Teaching(teacher, endpoint_from_flags(*endpoint), folder, budget_usd)
