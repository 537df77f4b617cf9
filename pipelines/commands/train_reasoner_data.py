"""``scope train reasoner data``: training data of a reasoner from a bank."""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from pipelines.bank import check_new
from pipelines.commands.endpoint_options import (
    ATTEMPTS,
    CONCURRENCY,
    KEY_VARIABLE,
    TIMEOUT_S,
    Attempts,
    BaseUrl,
    BudgetUsd,
    Concurrency,
    KeyVariable,
    Rate,
    Timeout,
    check_positive,
)
from pipelines.commands.options import Json, Pool
from pipelines.commands.teacher_options import (
    TeacherName,
    TeacherPrices,
    TeacherReasoning,
    teaching_from_flags,
)
from pipelines.samples.split import parse_shares
from pipelines.terminal import print_result, progress
from scope.bank import bank_version, load_bank
from scope.errors import ConfigError
from scope.pool import load_pool
from scope.reasoner import TEMPLATE_OF, PromptForm
from scope.routing import finite_or_none
from scope.text_files import read_text
from scope.upstream import OPENROUTER


def data(
    bank: Annotated[Path, typer.Option(help="Bank with texts.")],
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    pool: Pool = None,
    form: Annotated[
        str, typer.Option(help="model: a prompt for each model; pool: one for all of them.")
    ] = "model",
    n_examples: Annotated[int, typer.Option(min=1, help="Most examples of a prompt.")] = 5,
    template: Annotated[
        Path | None, typer.Option(help="Jinja template of the prompts; else ours.")
    ] = None,
    shares: Annotated[
        str, typer.Option(help="Shares of train, validation and the hold-out.")
    ] = "0.8,0.1,0.1",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most questions that prompts are about.")
    ] = None,
    teacher: TeacherName = None,
    reasoning: TeacherReasoning = "short",
    prices: TeacherPrices = None,
    base_url: BaseUrl = OPENROUTER,
    key_variable: KeyVariable = KEY_VARIABLE,
    concurrency: Concurrency = CONCURRENCY,
    rate: Rate = None,
    timeout: Timeout = TIMEOUT_S,
    attempts: Attempts = ATTEMPTS,
    budget_usd: BudgetUsd = None,
    as_json: Json = False,
) -> None:
    """Write what a reasoner learns from: each question, the models, and the nearest anchors.

    The hold-out is never part of a prompt or a reply that is trained on. Near duplicates are
    always in the same split. A teacher is told each outcome of train and validation and asked
    what makes it likely; a row whose rationale gives the outcome away is dropped. Its replies are
    kept in OUTPUT.teacher, so that a run that was stopped repeats no call.
    """
    from pipelines.finetune.make_data import DataOptions, make_data, summarise

    chosen = next((known for known in get_args(PromptForm) if known == form), None)
    if chosen is None:
        raise ConfigError(f"--form is {form!r}; expected {' or '.join(get_args(PromptForm))}")
    check_new(output)
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    teaching, taught = None, dict[str, Any]()
    if teacher is not None:
        if chosen != "model":
            raise ConfigError(f"--teacher is for --form model; got --form {chosen}")
        endpoint = (base_url, key_variable, concurrency, rate, timeout, attempts)
        teaching = teaching_from_flags(teacher, reasoning, prices, output, endpoint, budget_usd)
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        loaded = load_bank(bank)
        if pool is not None:
            loaded = loaded.select_models(load_pool(pool))
        text = read_text(template or TEMPLATE_OF[chosen].default)
        options = DataOptions(chosen, n_examples, parse_shares(shares), limit)
        made = make_data(loaded, bank_version(bank), text, options, stages)
        if teaching is not None:
            made, taught = teaching.explain(made, stages, as_json=as_json)
        stages.begin("writing")
        made.save(output)
    summary = summarise(made)
    splits = {
        split: {**found._asdict(), "share_right": finite_or_none(found.share_right)}
        for split, found in summary.items()
    }
    facts = {**made.spec.model_dump(mode="json"), "splits": splits, "output": str(output)}
    if teaching is not None:
        facts["teaching"] = taught
    listed = "; ".join(
        f"{split} {found.n_prompts:,}, {found.n_without_examples:,} without examples, right "
        f"{found.share_right:.0%}"
        for split, found in summary.items()
    )
    print_result(facts, f"made {output}: prompts of {listed}", as_json=as_json)
