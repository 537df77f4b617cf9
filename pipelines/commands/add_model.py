"""``scope bank add-model``: choose anchors to measure a new model on, then add it to a bank."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from pipelines.bank import check_new, save_bank_now
from pipelines.commands.options import Json
from pipelines.measure import OUTCOMES, plan_facts
from pipelines.terminal import out, table
from scope import EMBEDDED_BANK, STARTER_QUESTIONS
from scope.arms import Arm, select_arms, spec_of_one_call
from scope.bank import Bank, load_bank, read_manifest
from scope.errors import BankError, ConfigError, ScopeWarning
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec, PriceTier
from scope.predictor import MIN_MEASURED, MeasurementLimits, add_model, plan_measurement
from scope.prices import list_prices, load_prices
from scope.questions import read_questions
from scope.routing import format_usd
from scope.storage import write_json

TABLE_STEPS = (10, 25, 50, 100, 250, 500, 1000)
"""Numbers of anchors for which the expected cost of a plan is printed."""


def add(
    model: Annotated[str, typer.Option(help="Id of the new model.")],
    prices: Annotated[
        Path | None, typer.Option(help="Price file with its prices; else its list price.")
    ] = None,
    bank: Annotated[Path, typer.Option(help="Bank that was fitted.")] = EMBEDDED_BANK,
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", help="Write the anchors to measure (JSON); no model is called."),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="With --plan: file with the texts that can be asked, if not the bank's."),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="Its outcomes and token counts: a Parquet, or what scope measure wrote."),
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
    if questions is not None and plan_file is None:
        raise ConfigError("--questions belongs to --plan; --outcomes has the ids of its questions")
    spec = _priced(model, prices)
    if plan_file is not None:
        askable = _Askable.of(bank, questions)
        _plan(askable, spec, limits, plan_file, as_json=as_json)
    elif outcomes is not None and output is not None:
        _add(bank, spec, limits, (outcomes, output), as_json=as_json)


def _priced(model: str, prices: Path | None) -> ModelSpec:
    """Return the model with its price in a file, without one its list price, which is printed."""
    if prices is not None:
        (spec,) = select_arms(load_prices(prices), (model,), str(prices))
        return spec
    name = Arm.parse(model).model
    listed = list_prices((name,))
    usd_in, usd_out = listed[name].usd_per_mtok_in, listed[name].usd_per_mtok_out
    warnings.warn(
        f"model {name!r} has its list price, ${usd_in:g} / ${usd_out:g} for a million tokens; "
        "pass --prices for another",
        ScopeWarning,
        stacklevel=1,
    )
    (spec,) = select_arms(listed, (model,), "the list prices")
    return spec


@dataclass(frozen=True, slots=True)
class _Askable:
    """A bank and which of its anchors have a text.

    Attributes
    ----------
    bank : Bank
    among : frozenset of str or None
        Ids; None: all.
    texts : Path or None
        File or bank with the texts; None: the questions that the package ships.
    """

    bank: Bank
    among: frozenset[str] | None
    texts: Path | None

    @classmethod
    def of(cls, path: Path, questions: Path | None) -> "_Askable":
        bank = load_bank(path)
        if questions is None and bank.prompts is not None:
            return cls(bank, None, path)
        among = frozenset(bank.ids) & frozenset(read_questions(questions or STARTER_QUESTIONS).ids)
        if len(among) >= MIN_MEASURED:
            return cls(bank, among, questions)
        if questions is None:
            return cls(bank, None, None)
        raise ConfigError(
            f"{questions} has the texts of {len(among)} anchors of {path}; "
            f"at least {MIN_MEASURED} are needed"
        )

    def describe(self) -> str | None:
        """Return a line about texts that are missing; None if every anchor has one."""
        if self.among is None:
            missing = "the bank keeps no texts: name a file that has them to scope measure"
            return missing if self.texts is None else None
        n, n_all = len(self.among), len(self.bank.ids)
        if self.texts is None:
            return (
                f"the bank keeps no texts: chosen among the {n:,} of {n_all:,} anchors whose texts "
                "the package ships; --questions FILE names others"
            )
        chosen = f"chosen among the {n:,} of {n_all:,} anchors whose texts are in {self.texts}"
        return chosen if n < n_all else None


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
    askable: _Askable, spec: ModelSpec, limits: MeasurementLimits, path: Path, *, as_json: bool
) -> None:
    chosen = plan_measurement(askable.bank, _per_answer(spec), limits, askable.among)
    facts = plan_facts(chosen, spec, askable.bank.version, askable.texts)
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
    if (line := askable.describe()) is not None:
        out.print(line, soft_wrap=True, markup=False)
    out.print(f"chose {n_chosen:,} anchors into {path}; nothing was called", soft_wrap=True)


def _add(
    path: Path,
    spec: ModelSpec,
    limits: MeasurementLimits,
    files: tuple[Path, Path],
    *,
    as_json: bool,
) -> None:
    """Write the bank at `path` with one more model; `files` are its outcomes and the new bank."""
    source, output = _outcomes_file(files[0]), files[1]
    check_new(output)
    bank = load_bank(path)
    rows = read_outcomes_table(source)
    rows = rows.filter(pc.equal(rows["model"].cast(pa.string()), spec.id))
    if not rows.num_rows:
        raise BankError(f"{source} has no outcome of {spec.id!r}")
    measured = Outcomes.from_table(rows, bank.ids, (spec.id,), str(source))
    grown = add_model(bank, spec, measured, limits)
    sources = (*read_manifest(path).sources, f"{spec.id}: {source.name}")
    manifest = save_bank_now(
        grown,
        output,
        sources,
        command="scope bank add-model",
        parent=path,
        inputs=[("outcomes", source)],
    )
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    n_measured = int((~np.isnan(grown.outcomes.correct_am[:, -1])).sum())
    out.print(
        f"built {output}: {manifest.n_models} models, {spec.id} from {n_measured:,} anchors",
        soft_wrap=True,
    )
    if grown.reasoner is not None:
        is_about_all = grown.reasoner.spec.form == "pool"
        changed = "; its prompts list the new model from now on" if is_about_all else ""
        out.print(
            f"the reasoner was never queried about {spec.id}: its predictions have no weight there "
            f"until `scope bank fit --predictor scope`{changed}",
            soft_wrap=True,
            markup=False,
        )


def _outcomes_file(path: Path) -> Path:
    """Return the file of outcomes, in the folder that ``scope measure`` wrote if it is one."""
    if not path.is_dir():
        return path
    if not (path / OUTCOMES).is_file():
        raise ConfigError(f"{path} has no {OUTCOMES}; expected a folder that `scope measure` wrote")
    return path / OUTCOMES
