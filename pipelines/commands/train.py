"""``scope train router`` and ``scope train reward``: train networks on samples."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Group

from pipelines.commands import train_reasoner
from pipelines.commands.options import Json, OnTooLong, parse_margin
from pipelines.commands.train_options import (
    BatchSize,
    Encoder,
    Epochs,
    Fresh,
    LearningRate,
    MaxTokens,
    NumGpus,
    Revision,
    SamplesFile,
    Seed,
    Workers,
    train_settings,
)
from pipelines.terminal import out, print_result, progress, table
from scope.embedding import MINILM
from scope.errors import ConfigError
from scope.learned import TARGET_DROP, CalibrationReport, LearnedRouter, Loss, RouterSpec
from scope.prices import load_prices
from scope.questions import REFUSE
from scope.samples import check_suffix, read_samples, write_samples

if TYPE_CHECKING:
    from pipelines.train.reward import RewardResult
    from pipelines.train.router_data import PricedSamples

app = typer.Typer(help="Train routers, reward models and reasoners.", no_args_is_help=True)
app.add_typer(train_reasoner.app, name="reasoner")

BankFolder = Annotated[Path | None, typer.Option(help="Bank: one sample of each model.")]
Questions = Annotated[Path | None, typer.Option(help="Questions of --outcomes.")]
Outcomes = Annotated[Path | None, typer.Option(help="Parquet file: one sample of each model.")]
PriceFile = Annotated[Path | None, typer.Option(help="Price file; else the bank's.")]
Arms = Annotated[
    str | None,
    typer.Option(help="Arms, separated by commas, as model or model@n; else all models."),
]
LossName = Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Loss))}.")]
Margin = Annotated[
    str, typer.Option(help="Quality by which an arm may be worse, or best: widest labels.")
]
Selector = Annotated[str | None, typer.Option(help="Scores that choose the best of n samples.")]
TargetDrop = Annotated[
    float, typer.Option(min=0, max=1, help="Quality drop that the threshold allows.")
]
Frozen = Annotated[bool, typer.Option("--frozen", help="Train the heads alone: minutes on a CPU.")]


@app.command()
def router(
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    reference: Annotated[str, typer.Option(help="Model that every arm is compared with.")],
    samples: SamplesFile = None,
    bank: BankFolder = None,
    questions: Questions = None,
    outcomes: Outcomes = None,
    prices: PriceFile = None,
    on_too_long: OnTooLong = REFUSE,
    arms: Arms = None,
    loss: LossName = "prob_nlabels",
    margin: Margin = "0",
    scorer: Annotated[str, typer.Option(help="Scores that measure quality.")] = "correct",
    selector: Selector = None,
    target_drop: TargetDrop = TARGET_DROP,
    encoder: Encoder = MINILM,
    revision: Revision = None,
    frozen: Frozen = False,
    max_tokens: MaxTokens = None,
    epochs: Epochs = 5,
    learning_rate: LearningRate = 3e-5,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    workers: Workers = 1,
    num_gpus: NumGpus = 0.0,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Train a router, which predicts what arms answer as well as the reference.

    It trains on the split train, calibrates on validation and never reads test. The split is the
    field `split` of the samples, or the files train, validation and test of `scope samples split`
    in a folder; without either the hash of the prompt decides.
    """
    from pipelines.train.router import RouterTraining, train_router
    from pipelines.train.router_data import LabelChoice, router_data

    choice = LabelChoice(
        reference=reference,
        arms=_names(arms),
        loss=_loss(loss),
        margin=parse_margin(margin),
        scorer=scorer,
        selector=selector,
    )
    training = RouterTraining(
        encoder=encoder,
        revision=revision,
        frozen=frozen,
        max_tokens=max_tokens,
        target_drop=target_drop,
        settings=train_settings(epochs, learning_rate, batch_size, seed, workers, num_gpus),
    )
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        priced = _priced_samples(samples, bank, questions, outcomes, prices, on_too_long)
        data = router_data(priced, choice)
        trained = train_router(data, training, output, fresh=fresh, stages=stages)
    _report_router(trained, output, as_json=as_json)


@app.command()
def reward(
    pairs: Annotated[Path, typer.Option(help="Pairs of a better and a worse response.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    samples: SamplesFile = None,
    scored: Annotated[
        Path | None, typer.Option(help="File to write: the samples with out-of-fold scores.")
    ] = None,
    scorer: Annotated[str, typer.Option(help="Name of the new scores.")] = "proxy",
    folds: Annotated[int, typer.Option(min=2, help="Parts of the training prompts.")] = 5,
    encoder: Encoder = MINILM,
    revision: Revision = None,
    max_tokens: MaxTokens = None,
    epochs: Epochs = 5,
    learning_rate: LearningRate = 1.5e-5,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    workers: Workers = 1,
    num_gpus: NumGpus = 0.0,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Train a reward model on pairs; score samples by models that never read their prompts."""
    if (samples is None) != (scored is None):
        raise ConfigError("--samples and --scored belong together; pass both or neither")
    if scored is not None:
        check_suffix(scored)
    from pipelines.train.pairs import read_pairs
    from pipelines.train.reward import RewardTraining, train_reward

    training = RewardTraining(
        encoder=encoder,
        revision=revision,
        max_tokens=max_tokens,
        folds=folds,
        source=str(pairs),
        settings=train_settings(epochs, learning_rate, batch_size, seed, workers, num_gpus),
    )
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        result = train_reward(
            read_pairs(pairs),
            training,
            output,
            samples=None if samples is None else read_samples(samples),
            scorer=scorer,
            fresh=fresh,
            stages=stages,
        )
    if scored is not None and result.samples is not None:
        write_samples(scored, result.samples)
    _report_reward(result, output, as_json=as_json)


def _names(arms: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (arms or "").split(",") if name.strip())


def _loss(name: str) -> Loss:
    for loss in get_args(Loss):
        if name == loss:
            found: Loss = loss
            return found
    raise ConfigError(f"--loss is {name!r}; expected one of {', '.join(get_args(Loss))}")


def _priced_samples(
    samples: Path | None,
    bank: Path | None,
    questions: Path | None,
    outcomes: Path | None,
    prices: Path | None,
    on_too_long: str,
) -> "PricedSamples":
    """Return the samples that the flags name."""
    from pipelines.train.router_data import (
        samples_of_bank,
        samples_of_files,
        samples_of_outcomes,
    )

    if sum(source is not None for source in (samples, bank, outcomes)) != 1:
        raise ConfigError("pass one of --samples, --bank, and --outcomes with --questions")
    if bank is not None:
        priced = samples_of_bank(bank)
        if prices is None:
            return priced
        return replace(priced, prices=load_prices(prices))
    if prices is None:
        raise ConfigError("--prices is missing: samples and outcomes hold no prices")
    if outcomes is not None:
        if questions is None:
            raise ConfigError("--questions is missing: --outcomes holds no prompts")
        return samples_of_outcomes(questions, outcomes, prices, on_too_long)
    assert samples is not None  # one source is given
    return samples_of_files(samples, prices)


def _report_router(trained: LearnedRouter, output: Path, *, as_json: bool) -> None:
    """Print arms, calibration and thresholds."""
    spec = trained.spec
    facts: dict[str, Any] = spec.model_dump(mode="json", exclude={"files"})
    cut = f"; {spec.n_truncated:,} prompts longer than {spec.encoder.max_tokens} tokens were cut"
    text = (
        f"trained a {spec.strategy} router on {spec.n_train:,} prompts into {output}"
        f"{cut if spec.n_truncated else ''}\nthreshold {spec.threshold:.4f}; "
        f"an answer matches if it is at most {spec.match_margin:g} worse than the reference's"
    )
    print_result({**facts, "output": str(output)}, text, as_json=as_json)
    if not as_json:
        out.print(_calibration_table(spec))
        out.print(_threshold_table(spec))


def _report_reward(result: "RewardResult", output: Path, *, as_json: bool) -> None:
    """Print the accuracy on validation pairs."""
    facts = {
        "n_pairs": result.spec.n_pairs,
        "n_truncated": result.n_truncated,
        "validation_accuracy": result.spec.accuracy,
        "still_fell": result.still_fell,
        "output": str(output),
    }
    text = (
        f"trained on {result.spec.n_pairs:,} pairs into {output}; "
        f"{100 * (result.spec.accuracy or 0):.1f} % of validation pairs in the right order; "
        f"{result.n_truncated:,} pairs longer than {result.spec.encoder.max_tokens} tokens were cut"
    )
    if result.still_fell:
        text += (
            "\nthe validation loss still fell in the last epoch; try more --epochs or a higher "
            "--learning-rate"
        )
    print_result(facts, text, as_json=as_json)


def _calibration_table(spec: RouterSpec) -> Group:
    reports = zip(spec.arms, spec.calibration_report, strict=False)
    rows = [
        (arm, f"{report.n_labels:,}", *map(_number, _figures(report))) for arm, report in reports
    ]
    headers = ("arm", "labels", "NLL", "calibrated", "ECE", "calibrated")
    return table("Calibration on validation prompts", headers, rows)


def _threshold_table(spec: RouterSpec) -> Group:
    rows = [
        (
            f"{100 * point.target_drop:.1f} %",
            f"{point.threshold:.4f}",
            f"{100 * point.drop:.2f} %",
            f"{100 * point.saving:.1f} %",
            f"{100 * point.routed_share:.1f} %",
        )
        for point in spec.thresholds
    ]
    headers = ("largest drop", "tau", "drop", "cost saved", "not to the reference")
    return table("Thresholds on validation prompts", headers, rows)


def _figures(report: CalibrationReport) -> tuple[float | None, ...]:
    return (report.nll_before, report.nll_after, report.ece_before, report.ece_after)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
