"""``scope eval``: a bank against every baseline, on labelled questions."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.bank import load_bank_for_pool
from pipelines.commands.evaluate_experiments import Experiments
from pipelines.commands.evaluate_output import METRICS, print_evaluation, write_files
from pipelines.commands.evaluate_reasoners import parse_reasoners, read_reasoner, reasoner_table
from pipelines.commands.options import Json, KnownFact, Pool, Prices
from pipelines.config import JobConfig
from pipelines.terminal import err, out, progress
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS
from scope.bank import Bank, fit_alpha_scale, load_bank
from scope.errors import ConfigError, EvaluationError, join_names
from scope.evaluation import EvaluationSet, choices_at
from scope.learned import LearnedRouter
from scope.pool import load_pool
from scope.predictions import Predictions
from scope.predictor import predict_reference_population
from scope.report import (
    CEILINGS,
    FLOORS,
    N_STEPS,
    Evaluation,
    MetricThreshold,
    compare_reasoners,
    evaluate,
    parse_limits,
    part_sizes,
    predict_test_set,
    prediction_entries,
    to_json,
)
from scope.saving import ReferenceRequest, match_forecast

LIMITS = f"Keep to METRIC=VALUE; floors: {', '.join(FLOORS)}; ceilings: {', '.join(CEILINGS)}."


def evaluate_bank(
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    questions: Annotated[
        Path, typer.Option(help="Labelled questions: a bank without these anchors.")
    ] = EMBEDDED_QUESTIONS,
    bank: Annotated[Path, typer.Option(help="Anchor bank to evaluate.")] = EMBEDDED_BANK,
    pool: Pool = None,
    prices: Prices = None,
    config: Annotated[Path | None, typer.Option(help="YAML with anchors:.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Compare with always this model: drop at a share of its cost saved."),
    ] = None,
    router: Annotated[
        list[Path] | None,
        typer.Option(help="Learned router to compare, from scope train router; repeatable."),
    ] = None,
    reasoner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Compare with predictions of --questions by scope predict --predictor scope; "
            "repeatable.",
        ),
    ] = None,
    known_fact: KnownFact = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also fit the bank on 1/8, 1/4 and 1/2 of its anchors: what twice as many bring.",
        ),
    ] = False,
    escalate: Annotated[
        bool,
        typer.Option(
            "--escalate",
            help="Also try this: see how long a first reply is, then perhaps ask a second model.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap and the networks.")] = 0,
    alpha: Annotated[float, typer.Option(help="0 to 1, of predictions.json and --reasoner.")] = 0.6,
    limit: Annotated[
        list[str] | None, typer.Option("--floor", metavar="METRIC=VALUE", help=LIMITS)
    ] = None,
    ci: Annotated[bool, typer.Option("--ci", help="Exit code 1 if a --floor is violated.")] = False,
    fresh: Annotated[bool, typer.Option(help="Replace an evaluation already there.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a bank's routing with every baseline, with intervals, tables and a report."""
    thresholds = parse_limits(limit or ())
    if ci and not thresholds:
        raise EvaluationError(f"--ci has nothing to check; add --floor METRIC=VALUE. {LIMITS}")
    if known_fact and (curve or escalate):
        raise EvaluationError(
            "--learning-curve and --escalate guess the categories of anchors; drop --known-fact"
        )
    _check_output(output, fresh=fresh)
    settings = JobConfig.load(config) if config else JobConfig()
    with progress(as_json=as_json) as stages:
        asked = (("fitting parts", curve), ("escalating", escalate))
        parts = [name for name, wanted in asked if wanted]
        stages.plan("predicting", "fitting baselines", *parts, "writing")
        stages.begin("predicting")
        fitted = _measured_bank(bank, load_pool(pool) if pool else None, prices)
        if settings.anchors not in (None, fitted.anchor_config):
            fitted = fitted.without_bill_ratio()
        test_set = EvaluationSet.from_banks(fitted, load_bank(questions))
        if curve:
            part_sizes(fitted)  # raises before any work
        against = _request(reference, tuple(router or ()), fitted, test_set)
        reasoned = [
            read_reasoner(name, folder, test_set, fitted.model_ids)
            for name, folder in parse_reasoners(reasoner or ())
        ]
        predictions = predict_test_set(fitted, test_set, settings.anchors, known_fact=known_fact)
        entries = _entries(fitted, test_set, predictions, alpha)
        stages.advance(len(test_set.ids))
        stages.begin("fitting baselines", N_STEPS)
        evaluation = evaluate(
            fitted, test_set, predictions, seed=seed, against=against, advance=stages.advance
        )
        compared = (
            compare_reasoners(fitted, predictions, test_set, reasoned, alpha, seed)
            if reasoned
            else ()
        )
        experiments = Experiments.run(
            fitted,
            test_set,
            predictions,
            curve=curve,
            escalate=escalate,
            config=settings.anchors,
            seed=seed,
            stages=stages,
        )
        facts = {
            "bank": {"path": str(bank), "version": fitted.version},
            "questions": str(questions),
            "routers": [str(folder) for folder in router or ()],
            **to_json(evaluation),
            **experiments.to_json(),
            "reasoners": [row.to_json() for row in compared],
            "limits": [_limit_json(threshold, evaluation) for threshold in thresholds],
        }
        stages.begin("writing")
        write_files(output, evaluation, facts, entries)
    print_evaluation(output, evaluation, experiments, facts, as_json=as_json)
    if compared and not as_json:
        out.print(reasoner_table(compared, alpha))
    _check_thresholds(thresholds, evaluation, ci=ci)


def _measured_bank(path: Path, pool: tuple[str, ...] | None, prices: Path | None) -> Bank:
    """Return the bank of a pool; refuse arms that it derives, since they have no outcomes."""
    bank, arms = load_bank_for_pool(path, pool, prices)
    if derived := [arms.models[m].id for m in arms.derived]:
        raise EvaluationError(
            f"{join_names(derived)}: derived from one sample, so that there is no outcome to "
            "compare with; measure it (`scope measure --model`) and add it to the bank and to "
            "--questions, or leave it out of --pool"
        )
    return bank


def _check_output(output: Path, *, fresh: bool) -> None:
    """Refuse to write over anything but an earlier evaluation that may be replaced."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not (output / METRICS).is_file():
        raise ConfigError(f"{output} exists and is no evaluation; choose another output")
    if not fresh:
        raise ConfigError(f"{output} exists; choose another output or pass --fresh to replace it")


def _request(
    reference: str | None, folders: tuple[Path, ...], bank: Bank, test_set: EvaluationSet
) -> ReferenceRequest | None:
    """Return what to compare with always one reference; that of a learned router by default."""
    if folders and test_set.prompts is None:
        raise ConfigError("--router reads the texts of the questions; --questions has none")
    routers = [LearnedRouter.load(folder) for folder in folders]
    if reference is None and routers:
        reference = routers[0].arms[-1]
    if reference is None:
        return None
    learned = [
        match_forecast(
            f"{router.strategy} {folder.name}",
            router.arms,
            router.predict(test_set.prompts or ()),
            bank.model_ids,
            reference,
        )
        for folder, router in zip(folders, routers, strict=True)
    ]
    return ReferenceRequest.for_bank(bank, reference, tuple(learned))


def _entries(
    bank: Bank, test_set: EvaluationSet, predictions: Predictions, alpha: float
) -> list[dict[str, Any]]:
    """Return our decisions at `alpha` in RouterArena's form."""
    alpha_scale = fit_alpha_scale(
        bank.reference or predict_reference_population(bank, bank.anchor_config), bank.models
    )
    return prediction_entries(test_set, predictions, choices_at(predictions, alpha_scale, alpha))


def _limit_json(limit: MetricThreshold, evaluation: Evaluation) -> dict[str, Any]:
    kind = "floor" if limit.is_floor else "ceiling"
    broken = limit.violation(evaluation)
    return {"metric": limit.metric, kind: limit.value, "kept": not broken, "why": broken or None}


def _check_thresholds(
    limits: tuple[MetricThreshold, ...], evaluation: Evaluation, *, ci: bool
) -> None:
    broken = [why for limit in limits if (why := limit.violation(evaluation))]
    for why in broken:
        err.print(f"scope: {why}", markup=False)
    if limits and not broken:
        err.print(f"all limits are kept: {len(limits)}")
    if broken and ci:
        raise typer.Exit(1)
