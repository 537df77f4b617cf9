"""``scope samples labels``: router labels of samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import Json, Prices, parse_margin
from pipelines.commands.samples_options import (
    SHARES,
    SampleFiles,
    Scorer,
    Shares,
    read_sample_files,
)
from pipelines.terminal import err, out, print_result, table
from scope.errors import ConfigError
from scope.prices import load_prices
from scope.samples import LABEL_FORMS, LabelForm

if TYPE_CHECKING:
    from pipelines.samples import LabelResult


def labels(
    samples: SampleFiles,
    output: Annotated[
        Path, typer.Option(help="File (.parquet), or folder for the published router's files.")
    ],
    reference: Annotated[str, typer.Option(help="Model that every arm is compared with.")],
    models: Annotated[
        str | None, typer.Option(help="Models of the arms, separated by commas; else all.")
    ] = None,
    ns: Annotated[
        str, typer.Option(help="Samples of an arm, separated by commas: 1,3,5 makes three arms.")
    ] = "1",
    form: Annotated[str, typer.Option(help=f"One of {', '.join(LABEL_FORMS)}.")] = "prob_nlabels",
    scorer: Scorer = "correct",
    selector: Annotated[
        str | None, typer.Option(help="Name of the scores that choose the best of n.")
    ] = None,
    margin: Annotated[
        str, typer.Option(help="How much worse still matches; best: that of the widest labels.")
    ] = "0",
    prices: Prices = None,
    shares: Shares = SHARES,
    as_json: Json = False,
) -> None:
    """Make router labels: how likely each arm is as good as the reference."""
    from pipelines.samples import LabelRequest, parse_shares, write_labels

    request = LabelRequest(
        reference=reference,
        models=_names(models),
        ns=_whole_numbers(ns),
        form=_form(form),
        scorer=scorer,
        selector=selector,
        margin=parse_margin(margin),
        shares=parse_shares(shares),
    )
    result = write_labels(
        read_sample_files(samples), request, output, load_prices(prices) if prices else None
    )
    _show_labels(result, request.form, output, as_json=as_json)


def _show_labels(result: "LabelResult", form: str, output: Path, *, as_json: bool) -> None:
    labelled = result.arms[: len(result.mean_label_m)]
    means = {
        arm: None if mean != mean else mean
        for arm, mean in zip(labelled, result.mean_label_m.tolist(), strict=True)
    }
    facts: dict[str, Any] = {
        "form": form,
        "reference": result.arms[-1],
        "margin": result.margin.margin,
        "note": result.margin.note,
        "mean_label": means,
        "prompts": result.n_prompts,
        "left_out": result.n_left_out,
        "output": str(output),
    }
    found = ", ".join(f"{name} {n:,}" for name, n in result.n_prompts.items())
    text = f"{form} labels in {output}: {found}; margin {result.margin.margin:g}"
    print_result(facts, text, as_json=as_json)
    if as_json:
        return
    if result.n_left_out:
        n_left_out = f"{result.n_left_out:,} prompts are left out"
        err.print(f"scope: {n_left_out}: of an arm they have too few samples with scores")
    if result.margin.note:
        err.print(f"scope: {result.margin.note}", markup=False)
    rows = [(arm, "–" if mean is None else f"{mean:.3f}") for arm, mean in means.items()]
    title = f"Training prompts, against {result.arms[-1]}"
    out.print(table(title, ("arm", "mean label"), rows))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _whole_numbers(text: str) -> tuple[int, ...]:
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise ConfigError(f"--ns is {text!r}; expected whole numbers separated by commas, as 1,3,5")
    return tuple(int(part) for part in text.split(","))


def _form(text: str) -> LabelForm:
    for form in LABEL_FORMS:
        if text == form:
            return form
    raise ConfigError(f"--form is {text!r}; expected one of {', '.join(LABEL_FORMS)}")
