"""``scope route``: choose a model for every question."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.options import (
    Allow,
    Alpha,
    Budget,
    Deny,
    Json,
    MaxCost,
    MinQuality,
    Pool,
    evenly_spaced_alphas,
    open_predictions,
)
from pipelines.commands.two_stage import TwoStageInputs, route_two_stage
from pipelines.terminal import err, format_score, out, print_result, table
from scope.errors import ConfigError
from scope.policy import describe_bill_ratios
from scope.routing import Objective, RoutingSummary, format_usd, route_to_file
from scope.storage import write_json

CURVE_ALPHAS = 21
"""Points of the Pareto curve beside a budget, where outcomes are known."""

NO_FINDING = (
    "The bank of these predictions does not tell whether routing pays, so all questions have the "
    "mean estimates of the models; run `scope bank fit`, and predict again."
)


def route(
    output: Annotated[Path, typer.Option(help="Routing file to write (JSON).")],
    predictions: Annotated[
        Path | None, typer.Option(help="Folder written by `scope predict`.")
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="expected_value, auto (the same where routing pays, else one model) or two_stage."
        ),
    ] = "expected_value",
    alpha: Alpha = None,
    budget: Budget = None,
    min_quality: MinQuality = None,
    max_cost: MaxCost = None,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    alpha_steps: Annotated[
        int | None,
        typer.Option(min=2, help="Points of the Pareto curve; default 21, for two_stage 101."),
    ] = None,
    selection: Annotated[
        Path | None, typer.Option(help="two_stage: selection file, the predictions.")
    ] = None,
    similarity: Annotated[
        Path | None, typer.Option(help="two_stage: similarity file; default: computed from --bank.")
    ] = None,
    anchor_performance: Annotated[
        Path | None, typer.Option(help="two_stage: file with the outcomes of the anchors.")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="two_stage: bank with the outcomes of the anchors.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="two_stage: published data set (id or ood) with the anchors' outcomes."),
    ] = None,
    query_file: Annotated[
        Path | None,
        typer.Option(
            help="two_stage: questions of the selection (file or labelled bank), to compute "
            "their similarity; default: they are anchors of --bank."
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="two_stage: price file for the models of --dataset.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="two_stage: nearest anchors in Stage I; default 6.")
    ] = None,
    similarity_power: Annotated[
        float | None,
        typer.Option(help="two_stage: exponent of an anchor's similarity; default 2."),
    ] = None,
    cost_sensitivity: Annotated[
        float | None, typer.Option(help="two_stage: exponent of the cost terms; default 2.")
    ] = None,
    stage1_weight: Annotated[
        float | None, typer.Option(help="two_stage: weight of Stage I, 0 to 1; default 0.3.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose a model for every question.

    The default policy, expected_value, needs --predictions and one objective:
    --alpha, --budget, --min-quality or --max-cost.
    The policy auto does the same where `scope bank fit` has shown that routing
    pays on the bank. Elsewhere all questions have the mean estimates of the
    models, so that one model answers them all (with --budget a mix of two).

    The policy two_stage is the published router and writes its results file.
    It needs --selection, and the outcomes of the anchors from one of
    --anchor-performance, --bank and --dataset.
    With --budget it searches alpha on the outcomes of the very questions.
    Without --alpha and --budget it writes the Pareto curve alone.

    Exit code 1: the budget cannot be met; the cheapest routing is written.
    """
    inputs = TwoStageInputs(
        selection=selection,
        similarity=similarity,
        anchor_performance=anchor_performance,
        bank=bank,
        dataset=dataset,
        query_file=query_file,
        prices=prices,
        top_k=top_k,
        similarity_power=similarity_power,
        cost_sensitivity=cost_sensitivity,
        stage1_weight=stage1_weight,
    )
    if policy == "two_stage":
        ours = {"predictions": predictions, "pool": pool, "allow": allow, "deny": deny}
        _refuse(policy, {**ours, "min_quality": min_quality, "max_cost": max_cost})
        results = route_two_stage(inputs, alpha, budget, alpha_steps)
        write_json(output, results)
        _report_published(results, output, budget, as_json=as_json)
        return
    if policy not in ("expected_value", "auto"):
        raise ConfigError(f"policy is {policy!r}; expected expected_value, auto or two_stage")
    _refuse(policy, asdict(inputs))
    if predictions is None:
        raise ConfigError("--predictions is missing; expected a folder written by `scope predict`")
    if alpha_steps is not None and budget is None:
        raise ConfigError("--alpha-steps needs --budget, or policy two_stage")
    objective = Objective(
        alpha=alpha,
        budget_usd=budget,
        min_quality=min_quality,
        max_cost_usd=max_cost,
        auto=policy == "auto",
    )
    predicted = open_predictions(predictions, pool, allow, deny)
    curve_alphas = [] if budget is None else evenly_spaced_alphas(alpha_steps or CURVE_ALPHAS)
    summary = route_to_file(output, predicted, objective, curve_alphas)
    _report(summary, output, as_json=as_json)
    if objective.auto and not as_json:
        gain = predicted.routing_gain
        out.print(str(gain or NO_FINDING), soft_wrap=True, markup=False)
    if summary.overshoot_usd:
        err.print(
            f"budget {format_usd(budget or 0)} cannot be met: the cheapest models cost "
            f"{format_usd(summary.planned.cost_usd)}, {format_usd(summary.overshoot_usd)} too much"
        )
        raise typer.Exit(1)


def _refuse(policy: str, flags: dict[str, Any]) -> None:
    """Raise `ConfigError` if a flag is given that means nothing to the policy."""
    if given := [f"--{name.replace('_', '-')}" for name, v in flags.items() if v is not None]:
        raise ConfigError(f"policy {policy} does not take {' and '.join(given)}")


def _report(summary: RoutingSummary, output: Path, *, as_json: bool) -> None:
    if as_json:
        facts = {key: value for key, value in summary.to_json().items() if key != "result"}
        typer.echo(json.dumps({**facts, "output": str(output)}))
        return
    n_questions = summary.n_questions
    rows = [
        (model, f"{count:,}", f"{100 * count / n_questions:.1f} %")
        for model, count in summary.distribution.items()
    ]
    out.print(
        table(f"{summary.policy} over {n_questions:,} questions", ("model", "n", "share"), rows)
    )
    accuracy, cost = format_score(summary.planned)
    out.print(f"planned:  accuracy {accuracy}, cost {cost}")
    if summary.realised:
        accuracy, cost = format_score(summary.realised)
        out.print(f"realised: accuracy {accuracy}, cost {cost}")
    if note := describe_bill_ratios([summary.bill_ratio]):
        out.print(note, soft_wrap=True)
    out.print(f"decisions in {output}", soft_wrap=True)


def _report_published(
    results: dict[str, Any], output: Path, budget_usd: float | None, *, as_json: bool
) -> None:
    """Print where the results are; exit 1 if a budget is not met."""
    facts = {key: value for key, value in results.items() if key not in ("result", "pareto_curve")}
    text = f"routed with the published policy into {output}"
    print_result({**facts, "output": str(output)}, text, as_json=as_json)
    if budget_usd is not None and results["result"]["total_cost"] > budget_usd:
        err.print(
            f"budget {format_usd(budget_usd)} cannot be met: the cheapest routing costs "
            f"{format_usd(results['result']['total_cost'])}"
        )
        raise typer.Exit(1)
