"""``scope bank fit-samples``: fit what several samples of a model are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.bank import check_new, save_bank_now
from pipelines.commands.options import Json
from pipelines.terminal import err, out, print_result, progress, table
from scope import EMBEDDED_BANK
from scope.bank import load_bank, read_manifest
from scope.errors import ConfigError, join_names
from scope.samples import read_samples

if TYPE_CHECKING:
    from pipelines.bank.fit_samples import SamplesFit


def fit_samples(
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    bank: Annotated[Path, typer.Option("--bank", help="Bank folder.")] = EMBEDDED_BANK,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Graded samples, from `scope samples draw` and `scope samples score --grader`."
        ),
    ] = None,
    selector: Annotated[
        str, typer.Option(help="What picks the answer: majority, or a scorer of the samples.")
    ] = "majority",
    selector_price: Annotated[
        float, typer.Option(min=0, help="USD per million tokens that the selector reads.")
    ] = 0.0,
    assume: Annotated[
        bool,
        typer.Option("--assume", help="Give models without samples a cautious prior, so marked."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fit what several samples of each model are worth; write the bank with arms MODEL@N.

    Draw the samples at the temperature of the answers, at least 5 of each question, of questions
    like those to come. Fit again after another fit of the bank: the numbers belong to its
    probabilities.
    """
    if samples is None and not assume:
        raise ConfigError(
            "--samples is missing: one outcome of a question does not tell what a second sample "
            "is worth; pass graded samples, or --assume for a cautious prior"
        )
    check_new(output)
    with progress(as_json=as_json) as stages:
        stages.plan("reading", "fitting", "writing")
        stages.begin("reading")
        manifest, loaded = read_manifest(bank), load_bank(bank)
        drawn = read_samples(samples) if samples else None
        stages.begin("fitting")
        from pipelines.bank.fit_samples import fit_samples as fit

        fitted = fit(loaded, drawn, selector, assume=assume, selector_usd_per_mtok=selector_price)
        stages.begin("writing")
        sources = (*manifest.sources, f"samples {samples.name}") if samples else manifest.sources
        written = save_bank_now(
            fitted.bank,
            output,
            sources,
            command="scope bank fit-samples",
            parent=bank,
            inputs=[("samples", samples)] if samples else (),
        )
    facts = {
        **written.model_dump(mode="json"),
        "fits": [fit.to_json() for fit in fitted.fits],
        "assumed": list(fitted.assumed),
        "unknown": list(fitted.unknown),
    }
    if as_json:
        print_result(facts, "", as_json=True)
        return
    _show(fitted)
    out.print(f"built {output}: pools may name MODEL@N", soft_wrap=True)


def _show(fitted: "SamplesFit") -> None:
    """Print the fits, and which models are assumed or unknown."""
    if fitted.fits:
        rows = [fit.cells() for fit in fitted.fits]
        out.print(table("what samples are worth", fitted.fits[0].headers, rows))
    if fitted.assumed:
        err.print(
            f"assumed, not fitted: {join_names(fitted.assumed)} (kappa 0.5, AUC 0.6)", markup=False
        )
    if fitted.unknown:
        err.print(
            f"no samples of {join_names(fitted.unknown)}: pools cannot name several samples of it",
            markup=False,
        )
