"""The status of an application as text in a terminal."""

import time
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deployments.operate.status import ClusterStatus, DeploymentStatus, Versions
from deployments.operate.traffic import Traffic

UNKNOWN = "–"
GOOD_STATES = frozenset({"RUNNING", "HEALTHY"})
WORDS = {"spend_today_usd": "spend today", "budget_usd_per_day": "budget"}
PENDING_STATES = frozenset({"DEPLOYING", "UPDATING", "UPSCALING", "DOWNSCALING", "STARTING"})


def render_status(status: ClusterStatus) -> RenderableType:
    """Return a status as a few lines and tables."""
    parts: list[RenderableType] = [_headline(status), _deployments(status.deployments)]
    if status.traffic is not None and status.traffic.n_requests is not None:
        parts += _traffic_lines(status.traffic)
        if status.traffic.latencies:
            parts.append(_latencies(status.traffic))
    parts += [_spend(status), *_versions(status.versions), *_notes(status)]
    return Group(*parts)


def _headline(status: ClusterStatus) -> Text:
    service = status.service
    line = Text.assemble(
        (f"{service.name} ", "bold"), _state(service.state), f"  {status.endpoint or UNKNOWN}"
    )
    if service.deployed_at_s:
        line.append(f"  deployed {_age(status.at_s - service.deployed_at_s)} ago")
    if status.ready is not None:
        parts = (f"{name} {state}" for name, state in status.ready.items() if name != "status")
        line.append(f"\n{', '.join((status.ready['status'], *parts))}")
    if status.models is not None:
        line.append(f"\nmodels: {len(status.models)}")
    if service.message:
        line.append(f"\n{service.message}", style="yellow")
    return line


def _age(seconds: float) -> str:
    minutes = max(0, int(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _state(state: str) -> tuple[str, str]:
    if state in GOOD_STATES:
        return state, "green"
    return state, "yellow" if state in PENDING_STATES else "bold red"


def _deployments(rows: Iterable[DeploymentStatus]) -> Table:
    headers = ("deployment", "state", "running/wanted", "others", "queued", "ongoing", "message")
    table = _table(headers, right=("running/wanted", "queued", "ongoing"))
    for row in rows:
        state = row.state
        others = {name: n for name, n in state.replicas.items() if name != "RUNNING"}
        words = [f"{n} {name.lower()}" for name, n in others.items()]
        words += [f"{state.n_recently_dead} died lately"] if state.n_recently_dead else []
        table.add_row(
            state.name,
            Text(*_state(state.state)),
            f"{state.running}/{UNKNOWN if state.wanted is None else state.wanted}",
            ", ".join(words),
            _number(row.queued),
            _number(row.ongoing),
            Text(state.message[:200], style="yellow"),
        )
    return table


def _traffic_lines(traffic: Traffic) -> list[Text]:
    reasons = ", ".join(
        f"{reason} {_percent(share)}" for reason, share in traffic.degraded_reasons.items()
    )
    return [
        Text(
            f"requests {_number(traffic.requests_per_s, '.1f')}/s  "
            f"4xx {_percent(traffic.share_4xx)}  5xx {_percent(traffic.share_5xx)}  "
            f"(last {traffic.seconds:.0f} s)"
        ),
        Text(
            f"decisions {_number(traffic.n_decisions)}  "
            f"degraded {_percent(traffic.degraded_share)}{f' ({reasons})' if reasons else ''}  "
            f"out of distribution {_percent(traffic.out_of_distribution)}"
        ),
    ]


def _latencies(traffic: Traffic) -> Table:
    table = _table(("latency, ms", "p50", "p95"), right=("p50", "p95"))
    for row in traffic.latencies:
        table.add_row(row.stage, _number(row.p50_ms, ",.1f"), _number(row.p95_ms, ",.1f"))
    return table


def _spend(status: ClusterStatus) -> Text:
    budget = "no budget" if status.has_no_budget else f"budget {_usd(status.budget_usd_per_day)}"
    return Text(f"spend today {_usd(status.spend_today_usd)}, {budget}")


def _versions(versions: Versions) -> list[Text]:
    lines = [Text(f"bank {versions.bank_folder}")]
    replicas: dict[tuple[str, str, str], list[str]] = {}
    for row in versions.replicas:
        replicas.setdefault((row.bank, row.policy, row.settings), []).append(row.replica)
    for (bank, policy, settings), names in replicas.items():
        what = f"bank {bank}, policy {policy}, settings {settings}"
        lines.append(Text(f"  Router {', '.join(names)}: {what}"))
    if versions.differ:
        text = "replicas run with different versions: a rollout in progress, or rejected settings"
        lines.append(Text(text, style="yellow"))
    if versions.n_rejecting:
        n = _replicas(versions.n_rejecting)
        text = f"{n} of the Router: the latest settings are rejected"
        lines.append(Text(text, style="bold red"))
    return lines


def _notes(status: ClusterStatus) -> list[Text]:
    breakers = [
        Text(f"open breaker: {model} at {_replicas(n)}", style="bold red")
        for model, n in status.open_breakers.items()
    ]
    findings = [Text(f"scope check: {sentence}", style="yellow") for sentence in status.findings]
    unknown = [
        Text(f"not known: {WORDS.get(what, what.rstrip(' 0123456789'))}: {why}", style="dim")
        for what, why in status.unknown.items()
    ]
    now = time.strftime("%H:%M:%S UTC", time.gmtime(status.at_s))
    return [*breakers, *findings, *unknown, Text(f"{now}  {status.dashboard}", style="dim")]


def _table(headers: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, justify="right" if header in right else "left")
    return table


def _number(value: float | None, kind: str = ",.0f") -> str:
    return UNKNOWN if value is None else f"{value:{kind}}"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _replicas(n: int) -> str:
    return f"{n} replica" if n == 1 else f"{n} replicas"


def _usd(value: float | None) -> str:
    return UNKNOWN if value is None else f"${value:,.4f}" if value < 1 else f"${value:,.2f}"
