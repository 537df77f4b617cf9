"""``scope rollout``: put another bank in force, and go back when it does harm.

Ray reads its environment when it is imported, so that only functions import it.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.commands.status import Address, Endpoint, connect
from scope.errors import ConfigError

if TYPE_CHECKING:
    from deployments.operate.bank_change import BankChange
    from deployments.operate.cluster_client import ClusterClient
    from deployments.operate.journal import RolloutJournal, RolloutRecord, RolloutTerms
    from deployments.operate.metric_samples import MetricSamples
    from deployments.operate.rollout import BankRollout
    from deployments.operate.service_state import ServiceState
    from deployments.operate.status_reader import StatusReader

BASELINE_S = 20.0
"""How long the old bank is measured; replicas export their metrics every 10 s."""
STATE = "rollouts"


def rollout(
    bank: Annotated[Path | None, typer.Argument(help="Bank to put in force.")] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Labelled questions (a bank) to compare the two on.")
    ] = None,
    no_comparison: Annotated[
        bool, typer.Option("--no-comparison", help="Roll without comparing the two.")
    ] = False,
    accept_worse: Annotated[
        bool, typer.Option("--accept-worse", help="Roll even if the comparison is lost.")
    ] = False,
    address: Address = None,
    endpoint: Endpoint = None,
    config: Annotated[
        Path | None, typer.Option(help="Serve configuration to write args.bank to when done.")
    ] = None,
    watch_s: Annotated[float, typer.Option(min=0, help="How long to watch the new bank.")] = 300,
    start_s: Annotated[float, typer.Option(min=1, help="Time for new replicas to start.")] = 600,
    max_degraded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of degraded decisions above that before.")
    ] = 0.05,
    max_p95_ratio: Annotated[
        float, typer.Option(min=0, help="p95 of the routing overhead over that before.")
    ] = 1.5,
    max_errors: Annotated[
        float, typer.Option(min=0, max=1, help="Share of 5xx above that before.")
    ] = 0.01,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare only.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a killed rollout.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Undo a killed rollout.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="Folder of the journal; else rollouts/ beside --config.")
    ] = None,
) -> None:
    """Put another bank in force: check, compare, shift, watch, and go back when it does harm."""
    with connect(address) as cluster, sigterm_as_interrupt():
        from deployments.operate.journal import RolloutJournal, RolloutTerms
        from deployments.operate.status_reader import StatusReader
        from deployments.operate.watch_limits import WatchLimits

        reader = StatusReader(cluster, endpoint=endpoint)
        journal = RolloutJournal(state or (config.parent if config else Path()) / STATE)
        with journal.locked():
            if resume or back:
                _check_continues(bank, resume=resume, back=back)
                _continue(cluster, reader, journal, back=back)
                return
            _check_starts(journal, bank, questions, no_comparison=no_comparison)
            before, service = reader.scrape(), reader.service()
            change = _plan(bank or Path(), service)
            if questions is not None:
                _compare(change, service, questions, accept_worse=accept_worse)
            if dry_run:
                typer.echo("nothing is changed: --dry-run")
                return
            limits = WatchLimits(
                max_degraded=max_degraded, max_p95_ratio=max_p95_ratio, max_errors=max_errors
            )
            terms = RolloutTerms(
                config=str(config.resolve()) if config else None,
                limits=limits,
                watch_s=watch_s,
                start_s=start_s,
            )
            baseline = _baseline(reader, before)
            record = _record(change, service, cluster.address, terms, baseline)
            _end(_rollout(cluster, reader, journal, record).roll(), record)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as ctrl-c, which rolls back."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _check_starts(
    journal: "RolloutJournal", bank: Path | None, questions: Path | None, *, no_comparison: bool
) -> None:
    if bank is None:
        raise ConfigError("name the bank to put in force, or --resume or --back")
    if (record := journal.unfinished()) is not None:
        raise ConfigError(
            f"the rollout of {record.new_bank} was killed while {record.phase}; "
            "finish it by --resume, or undo it by --back"
        )
    if questions is None and not no_comparison:
        raise ConfigError(
            "without --questions it is unknown whether the new bank is worse; "
            "name labelled questions, or pass --no-comparison"
        )


def _check_continues(bank: Path | None, *, resume: bool, back: bool) -> None:
    if resume and back:
        raise ConfigError("--resume and --back exclude each other; pass one")
    if bank is not None:
        raise ConfigError(f"--resume and --back know their bank; leave out {bank}")


def _plan(bank: Path, service: "ServiceState") -> "BankChange":
    """Check the new bank, and say what it changes."""
    from deployments.checks import check_config
    from deployments.operate.bank_change import BankChange

    change = BankChange.plan(bank, service, check_config)
    typer.echo(f"bank {change.new.version} in the place of {change.old.version}")
    for note in change.notes:
        typer.echo(f"  {note}")
    return change


def _compare(
    change: "BankChange", service: "ServiceState", questions: Path, *, accept_worse: bool
) -> None:
    """Compare the two banks; stop if the new one is worse."""
    from deployments.operate.bank_comparison import compare_banks
    from scope.bank import load_bank

    compared = compare_banks(change.old, change.new, load_bank(questions), service.user_config)
    for line in compared.lines():
        typer.echo(line)
    if compared.is_worse and not accept_worse:
        typer.echo(
            "scope: the new bank is worse at the same cost; nothing is changed; "
            "--accept-worse rolls it all the same",
            err=True,
        )
        raise typer.Exit(1)


def _record(
    change: "BankChange",
    service: "ServiceState",
    dashboard: str,
    terms: "RolloutTerms",
    baseline: dict[str, float | None],
) -> "RolloutRecord":
    from deployments.operate.journal import RolloutRecord, new_id

    return RolloutRecord(
        id=new_id(),
        phase="shifting",
        dashboard=dashboard,
        application=service.name,
        previous=service.serve_config(),
        old_bank=change.old_folder,
        old_version=change.old.version,
        new_bank=change.new_folder,
        new_version=change.new.version,
        old_replicas=tuple(sorted(service.replica_ids)),
        terms=terms,
        baseline=baseline,
    )


def _baseline(reader: "StatusReader", before: "MetricSamples") -> dict[str, float | None]:
    from deployments.operate.rollout import baseline_json, measure_baseline

    typer.echo(f"measuring the old bank for {BASELINE_S:.0f} s")
    return baseline_json(measure_baseline(reader, before, BASELINE_S))


def _rollout(
    cluster: "ClusterClient",
    reader: "StatusReader",
    journal: "RolloutJournal",
    record: "RolloutRecord",
) -> "BankRollout":
    from deployments.operate.rollout import BankRollout

    return BankRollout(cluster, reader, journal, record, typer.echo)


def _continue(
    cluster: "ClusterClient", reader: "StatusReader", journal: "RolloutJournal", *, back: bool
) -> None:
    """Finish or undo a killed rollout."""
    from deployments.operate.journal import CURRENT

    record = journal.require_unfinished()
    if record.dashboard != cluster.address:
        raise ConfigError(
            f"the killed rollout is of the cluster at {record.dashboard}, not {cluster.address}; "
            "name it by --address, or if both are one cluster change `dashboard` in "
            f"{journal.folder / CURRENT}"
        )
    rollout_of = _rollout(cluster, reader, journal, record)
    if back:
        rollout_of.back(record.why or "--back")
        typer.echo(f"{record.old_bank} answers again")
    else:
        _end(rollout_of.resume(), record)


def _end(why: str | None, record: "RolloutRecord") -> None:
    """Say how a rollout ended; exit code 1 if it was rolled back."""
    if why is not None:
        typer.echo(f"scope: rolled back, {record.old_bank} answers again: {why}", err=True)
        raise typer.Exit(1)
    typer.echo(f"done: {record.new_bank} is in force")
    if record.terms.config is None:
        typer.echo("set args.bank in your configuration, too: the next deploy would undo this")
