"""``scope bank compare``: a challenger bank against the champion, on labelled questions."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import Json
from pipelines.terminal import out, table
from scope import EMBEDDED_QUESTIONS
from scope.bank import load_bank
from scope.evaluation import HIGHER_IS_BETTER

if TYPE_CHECKING:
    from scope.evaluation import Interval
    from scope.report import Challenge

LIMITS = (
    "Least (of errors: most) difference new minus old, METRIC=DIFFERENCE; repeatable. Metrics: "
    f"{', '.join(HIGHER_IS_BETTER)}."
)


def compare(
    old: Annotated[Path, typer.Argument(help="Bank in use.")],
    new: Annotated[Path, typer.Argument(help="Bank that may replace it.")],
    questions: Annotated[
        Path, typer.Option(help="Labelled questions: a bank without anchors of either.")
    ] = EMBEDDED_QUESTIONS,
    limit: Annotated[
        list[str] | None, typer.Option("--floor", metavar="METRIC=DIFFERENCE", help=LIMITS)
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two banks on labelled questions, each metric with a paired interval.

    Exit code 1: a --floor is violated; without any, routing by the new bank is
    worse, which is so if the whole interval of the difference in
    gain_over_mixture is below 0.
    """
    from scope.report import challenge, parse_limits

    limits = parse_limits(limit or ())
    champion, challenger = load_bank(old), load_bank(new)
    if champion.version == challenger.version:
        out.print(f"{old} and {new} are the same bank, version {champion.version}", soft_wrap=True)
        return
    result = challenge(champion, challenger, load_bank(questions))
    failures = result.verdicts(limits)
    if as_json:
        facts = {"old": champion.version, "new": challenger.version, **result.to_json()}
        typer.echo(json.dumps({**facts, "failures": failures}))
    else:
        _show(result)
        rule = "no --floor is violated" if limits else "routing is not shown to be worse"
        verdict = f"the new bank may replace the old one: {rule}"
        if failures:
            verdict = f"the new bank should not replace the old one: {'; '.join(failures)}"
        out.print(verdict, soft_wrap=True, markup=False)
    if failures:
        raise typer.Exit(1)


def _show(result: "Challenge") -> None:
    rows = [
        (
            change.name,
            f"{change.old.value:.4f}",
            f"{change.new.value:.4f}",
            _signed(change.difference),
            "worse" if change.is_worse else "better" if change.is_better else "",
        )
        for change in result.changes
    ]
    title = f"{result.n_questions:,} labelled questions × {len(result.models)} models"
    headers = ("metric", "old", "new", "new − old, 95 % interval", "")
    out.print(table(title, headers, rows))
    shares = ", ".join(f"{100 * s:.1f} % at {a:g}" for a, s in result.changed_share.items())
    out.print(f"decisions that change, by alpha: {shares}", soft_wrap=True)


def _signed(interval: "Interval") -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
