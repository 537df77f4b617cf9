"""``scope bank add-model``: choose anchors to measure a new model on, then add it to a bank."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from pipelines.bank import check_new, save_bank_now
from pipelines.commands.options import Json
from pipelines.terminal import out, table
from scope import EMBEDDED_BANK
from scope.arms import Arm, select_arms, spec_of_one_call
from scope.bank import Bank, load_bank, read_manifest
from scope.errors import BankError, ConfigError
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec, PriceTier
from scope.predictor import MeasurementLimits, MeasurementPlan, add_model, plan_measurement
from scope.prices import load_prices
from scope.routing import format_usd
from scope.storage import write_json

TABLE_STEPS = (10, 25, 50, 100, 250, 500, 1000)
"""Numbers of anchors for which the expected cost of a plan is printed."""


def add(
    model: Annotated[str, typer.Option(help="Id of the new model.")],
    prices: Annotated[Path, typer.Option(help="Price file with its prices.")],
    bank: Annotated[Path, typer.Option(help="Bank that was fitted.")] = EMBEDDED_BANK,
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", help="Write the anchors to measure (JSON); no model is called."),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Parquet of its outcomes and token counts.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="With --outcomes: bank to create.")] = None,
    max_anchors: Annotated[int | None, typer.Option(min=1, help="Most anchors to measure.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Most to spend, USD.")] = None,
    half_width: Annotated[
        float,
        typer.Option(help="Stop at this mean half-width of the 90 % interval of p(correct)."),
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Add a model from its outcomes on some anchors, or plan which to measure (--plan)."""
    limits = _limits(max_anchors, budget_usd, half_width)
    _check_flags(plan_file, outcomes, output, limits)
    (spec,) = select_arms(load_prices(prices), (model,), str(prices))
    if plan_file is not None:
        _plan(load_bank(bank), _per_answer(spec), limits, plan_file, as_json=as_json)
    elif outcomes is not None and output is not None:
        _add(bank, spec, limits, (outcomes, output), as_json=as_json)


def _per_answer(spec: ModelSpec) -> ModelSpec:
    """Return the prices of all samples of an arm for each token of one: plans know one answer."""
    n, one = Arm.parse(spec.id).n_samples, spec_of_one_call(spec)
    tiers = tuple(tier.model_copy(update=_times(n, tier)) for tier in one.tiers)
    return one.model_copy(update={**_times(n, one), "tiers": tiers})


def _times(n: int, price: ModelSpec | PriceTier) -> dict[str, float]:
    return {
        "usd_per_mtok_in": n * price.usd_per_mtok_in,
        "usd_per_mtok_out": n * price.usd_per_mtok_out,
    }


def _check_flags(
    plan_file: Path | None, outcomes: Path | None, output: Path | None, limits: MeasurementLimits
) -> None:
    if (plan_file is None) == (outcomes is None):
        raise ConfigError("give --plan FILE to choose anchors, or --outcomes FILE to add the model")
    if plan_file is not None and output is not None:
        raise ConfigError("--output belongs to --outcomes; --plan names the file it writes")
    if plan_file is not None and limits == MeasurementLimits():
        raise ConfigError("--plan needs --max-anchors, --budget-usd or --half-width")
    if outcomes is not None and output is None:
        raise ConfigError("--output is missing; expected a folder for the new bank")


def _limits(
    max_anchors: int | None, budget_usd: float | None, half_width: float
) -> MeasurementLimits:
    if budget_usd is not None and not 0 < budget_usd < np.inf:
        raise ConfigError(f"--budget-usd is {budget_usd:g}; expected a number of USD above 0")
    if not 0 <= half_width < 1:
        raise ConfigError(f"--half-width is {half_width:g}; expected 0 or more, below 1")
    return MeasurementLimits(max_anchors, budget_usd, half_width)


def _plan(
    bank: Bank, spec: ModelSpec, limits: MeasurementLimits, path: Path, *, as_json: bool
) -> None:
    chosen = plan_measurement(bank, spec, limits)
    facts = _plan_facts(bank, spec, chosen)
    write_json(path, facts)
    if as_json:
        typer.echo(json.dumps({**facts, "output": str(path)}))
        return
    bill_usd = np.cumsum(chosen.cost_usd_j)
    n_chosen = len(chosen.ids)
    rows = [
        (f"{n:,}", format_usd(bill_usd[n - 1]), f"± {chosen.half_width_j[n - 1]:.3f}")
        for n in (*(n for n in TABLE_STEPS if n < n_chosen), n_chosen)
    ]
    title = f"Measuring {spec.id}: expected bill and precision"
    out.print(table(title, ("anchors", "expected bill", "p(correct), 90 % interval"), rows))
    out.print(f"chose {n_chosen:,} anchors into {path}; nothing was called", soft_wrap=True)


def _plan_facts(bank: Bank, spec: ModelSpec, chosen: MeasurementPlan) -> dict[str, Any]:
    """Return the content of a plan file: anchors in the order to ask them, USD, half-widths."""
    return {
        "model": spec.id,
        "bank_version": bank.version,
        "expected_cost_usd": float(chosen.cost_usd_j.sum()),
        "anchors": [
            {"id": anchor, "cost_usd": float(cost), "half_width_after": float(width)}
            for anchor, cost, width in zip(
                chosen.ids, chosen.cost_usd_j, chosen.half_width_j, strict=True
            )
        ],
    }


def _add(
    path: Path,
    spec: ModelSpec,
    limits: MeasurementLimits,
    files: tuple[Path, Path],
    *,
    as_json: bool,
) -> None:
    """Write the bank at `path` with one more model; `files` are its outcomes and the new bank."""
    source, output = files
    check_new(output)
    bank = load_bank(path)
    rows = read_outcomes_table(source)
    rows = rows.filter(pc.equal(rows["model"].cast(pa.string()), spec.id))
    if not rows.num_rows:
        raise BankError(f"{source} has no outcome of {spec.id!r}")
    measured = Outcomes.from_table(rows, bank.ids, (spec.id,), str(source))
    grown = add_model(bank, spec, measured, limits)
    sources = (*read_manifest(path).sources, f"{spec.id}: {source.name}")
    manifest = save_bank_now(grown, output, sources)
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    n_measured = int((~np.isnan(grown.outcomes.correct_am[:, -1])).sum())
    out.print(
        f"built {output}: {manifest.n_models} models, {spec.id} from {n_measured:,} anchors",
        soft_wrap=True,
    )
    if grown.reasoner is not None:
        out.print(
            f"the reasoner was never queried about {spec.id}: its predictions have no weight there "
            "until `scope bank fit --predictor scope`",
            soft_wrap=True,
            markup=False,
        )
