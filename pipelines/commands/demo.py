"""``scope demo``: the whole job on what comes with the package: no GPU, no key, no network."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.demo_learned import LEARNED, demo_learned
from pipelines.commands.frontier import draw, points
from pipelines.terminal import format_score, frontier_table, out, progress, table
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS
from scope.errors import ConfigError
from scope.routing import (
    GroundTruth,
    Objective,
    PredictionSet,
    RoutingResult,
    RoutingScore,
    format_usd,
    load_predictions,
    mix_accuracy,
    route,
)

if TYPE_CHECKING:
    from pipelines.predict.summary import PredictionSummary

PREHOC = "prehoc"
EXAMPLES = Path("examples/questions.jsonl")
BUDGET_SHARES = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Budgets of the demo, as shares of what the most expensive model would cost."""
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = 8
"""Raw questions whose decision is printed."""
EXAMPLE_ALPHA = 0.6


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: a strategy with its planned and its realised score."""

    name: str
    planned: RoutingScore | None
    realised: RoutingScore


def demo(
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write; else results/demo, or results/demo-STRATEGY."),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="prehoc; or train a router on samples of two LLMs: bestroute, hybridllm."
        ),
    ] = PREHOC,
) -> None:
    """Run the whole job on what comes with the package: predict, route, compare, explain."""
    if strategy == PREHOC:
        _demo_prehoc(output or Path("results/demo"))
    elif strategy in LEARNED:
        demo_learned(LEARNED[strategy], output or Path(f"results/demo-{strategy}"))
    else:
        allowed = ", ".join((PREHOC, *LEARNED))
        raise ConfigError(f"--strategy is {strategy!r}; expected one of {allowed}")


def _demo_prehoc(output: Path) -> None:
    """Predict and route with the embedded bank, draw the frontier, and explain decisions."""
    from pipelines.cluster.session import ray_session
    from pipelines.predict.run import PredictInputs, predict

    if not EXAMPLES.is_file():
        raise ConfigError(f"{EXAMPLES} is not here; run the demo in the project's folder")
    with progress() as stages, ray_session(stages):
        sources = {output: EMBEDDED_QUESTIONS, output / "examples": EXAMPLES}
        labelled, raw = (
            predict(
                PredictInputs(EMBEDDED_BANK, source, reference_files=True),
                folder,
                fresh=True,
                stages=stages,
            )
            for folder, source in sources.items()
        )
    _show_labelled(output, labelled)
    _show_raw(output / "examples", raw)
    files = "selection.json similarity.json routing.json predictions/ frontier.png"
    out.print(f"\nfiles in {output}: {files}")


def _show_labelled(output: Path, done: "PredictionSummary") -> None:
    predicted = load_predictions(output)
    truth = predicted.truth()
    if truth is None:
        raise ConfigError(f"{EMBEDDED_QUESTIONS} has no outcomes; build it with `scope bank build`")
    n_models = len(predicted.models)
    out.print(
        f"\n{done.n_questions:,} questions that are not in the bank × {n_models} models, "
        "routed on predictions alone, scored on what each model answered\n"
    )
    routings = _budget_routings(predicted, truth)
    rows = [*_baselines(predicted, truth), *_scored(routings, truth)]
    out.print(_comparison(rows, predicted, truth))
    out.print()
    out.print(frontier_table(points(predicted, ALPHAS)))
    middle = routings[len(routings) // 2]
    middle.summary(truth).write(output / "routing.json", middle.decisions(truth))
    title = f"MMLU-Pro, {done.n_questions:,} held-out questions, {n_models} models"
    draw(output / "frontier.png", predicted, title)


def _budget_routings(predicted: PredictionSet, truth: GroundTruth) -> list[RoutingResult]:
    highest_usd = max(truth.score_model(m).cost_usd for m in range(len(predicted.models)))
    budgets = [_two_digits(share * highest_usd) for share in BUDGET_SHARES]
    return [route(predicted, Objective(budget_usd=budget)) for budget in budgets]


def _scored(routings: list[RoutingResult], truth: GroundTruth) -> list[Row]:
    return [
        Row(
            f"scope, budget {format_usd(routing.settings['budget_usd'])}",
            routing.planned(),
            truth.score_choices(routing.choices),
        )
        for routing in routings
    ]


def _baselines(predicted: PredictionSet, truth: GroundTruth) -> list[Row]:
    """Return the baselines that need no router; the best single model is chosen on predictions."""
    estimates, names = predicted.predictions.estimates, predicted.predictions.models
    cheapest = int(estimates.cost_usd_qm.mean(axis=0).argmin())
    best = int(estimates.p_correct_qm.mean(axis=0).argmax())
    return [
        Row(f"cheapest ({names[cheapest]})", None, truth.score_model(cheapest)),
        Row(f"best single ({names[best]})", None, truth.score_model(best)),
        Row("random model", None, truth.score_random()),
    ]


def _comparison(rows: list[Row], predicted: PredictionSet, truth: GroundTruth) -> object:
    singles = [truth.score_model(m) for m in range(len(predicted.models))]
    cells = []
    for row in rows:
        mixed = mix_accuracy(singles, row.realised.usd_per_1k)
        planned_usd = format_score(row.planned)[1]
        mix = "–" if math.isnan(mixed) else f"{100 * mixed:.1f} %"
        cells.append((row.name, planned_usd, *format_score(row.realised), mix))
    headers = ("strategy", "planned USD", "accuracy ± s.e.", "real USD", "mixture at that cost")
    return table("Accuracy and cost", headers, cells)


def _show_raw(output: Path, done: "PredictionSummary") -> None:
    predicted = load_predictions(output)
    routing = route(predicted, Objective(alpha=EXAMPLE_ALPHA))
    routing.summary().write(output / "routing.json", routing.decisions())
    out.print(
        f"\n{done.n_questions} raw questions of {EXAMPLES}, routed at alpha {EXAMPLE_ALPHA}; "
        f"the first {SHOWN} decisions:\n"
    )
    for decision in routing.decisions()[:SHOWN]:
        out.print(
            f"{decision['question_id']} → [bold]{decision['selected_model']}[/bold]\n"
            f"    {decision['reason']}",
            soft_wrap=True,
        )


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
