"""Service times and plans as text."""

from collections.abc import Sequence

from deployments.planning.capacity_plan import CapacityPlan
from deployments.profiling.process_cpu import OTHER, PROXY
from deployments.profiling.service_times import BatchTimes, ServiceTimes

UNKNOWN = "–"


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as lines; all columns but the first are right-aligned.

    Examples
    --------
    >>> print(text_table(["what", "n"], [["one", "1"], ["ten", "10"]]))
    what   n
    one    1
    ten   10
    """
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    lines = []
    for row in (headers, *rows):
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def ms(seconds: float | None) -> str:
    """Return seconds as milliseconds with three significant digits; a dash if unknown.

    Examples
    --------
    >>> ms(0.00123), ms(0.0456), ms(1.5), ms(None)
    ('1.23', '45.6', '1500', '–')
    """
    if seconds is None:
        return UNKNOWN
    value = 1e3 * seconds
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def rate_text(per_s: float) -> str:
    """Return a rate with one decimal place below 100.

    Examples
    --------
    >>> rate_text(46.94), rate_text(4580.2)
    ('46.9', '4,580')
    """
    return f"{per_s:.1f}" if per_s < 100 else f"{per_s:,.0f}"


def service_times_table(times: ServiceTimes) -> str:
    """Return measured service times as text."""
    machine, serve = times.machine, times.serve
    gpu = f", {machine.gpu}" if machine.gpu else ""
    load = f"load average before {machine.load_average:.2f}"
    parts = [f"{machine.cpu}, {machine.cores} cores{gpu}; {load}"]
    parts += [_batches(name, measured) for name, measured in times.deployments.items()]
    groups = (*times.stations, OTHER)
    rows = [
        (kind, ms(request.median_s), ms(request.p95_s), *(ms(request.cpu_s.get(g)) for g in groups))
        for kind, request in (("not cached", serve.uncached), ("cached", serve.cached))
    ]
    headers = ("one request through Serve, ms", "p50", "p95", *(f"CPU {g}" for g in groups))
    parts.append(text_table(headers, rows))
    if times.engine:
        engine = [
            (str(e.concurrency), f"{e.prompt_tokens_per_s:,.0f}", f"{e.answer_tokens_per_s:,.0f}")
            for e in times.engine
        ]
        headers = ("engine, tokens/s: queries at once", "of prompts", "of answers")
        parts.append(text_table(headers, engine))
    parts.append(_hops(times))
    return "\n\n".join(parts)


def _hops(times: ServiceTimes) -> str:
    """Return what of a request is Serve's, as text."""
    cached, uncached, router = times.serve.cached, times.serve.uncached, times.router
    http_s = cached.cpu_s[PROXY] + cached.cpu_s["Router"] - router.cached_s
    own_s = router.uncached_s - router.cached_s
    calls_s = uncached.cpu_s["Router"] - cached.cpu_s["Router"] - own_s
    call_s = calls_s / len(times.batched)
    replicas = [f"{ms(times.call_overhead_s(name))} ms in the {name}" for name in times.batched]
    return (
        f"of which the Router's own code takes {ms(router.uncached_s)} ms, "
        f"{ms(router.cached_s)} ms if the prompt is cached;\n"
        f"HTTP through Serve {ms(max(0.0, http_s))} ms; a remote call {ms(max(0.0, call_s))} ms in "
        f"the Router, {', '.join(replicas)};\n"
        f"Ray takes {times.serve.idle_cores:.2f} cores without a request"
    )


def _batches(name: str, measured: BatchTimes) -> str:
    """Return a table of the batches of one deployment: sizes down, lengths across."""
    time_s = {
        tokens: measured.seconds_n(tokens, measured.batches[-1]) for tokens in measured.lengths
    }
    lengths = measured.lengths
    headers = [f"{name}, ms a batch", *(f"{tokens} tokens" for tokens in lengths)]
    if len(lengths) == 1:
        headers = [f"{name}, ms a batch", "any length"]
    rows = [
        [str(b), *(ms(float(time_s[tokens][b - 1])) for tokens in lengths)]
        for b in measured.batches
    ]
    line = measured.line
    note = f"{ms(line.fixed_s)} ms a batch and {ms(line.per_text_s)} ms a call"
    if len(lengths) > 1:
        note += f", {1e6 * line.per_token_s:.0f} µs a token"
    where = f"{measured.device}, {measured.threads} thread{'s' * (measured.threads > 1)}"
    return f"{text_table(headers, rows)}\n{note}; {where}"


def plan_table(plan: CapacityPlan) -> str:
    """Return a plan as text."""
    load, rows = plan.load, []
    for name, each in plan.deployments.items():
        batch = UNKNOWN if each.max_batch_size is None else str(each.max_batch_size)
        mean = UNKNOWN if each.mean_batch is None else f"{each.mean_batch:.1f}"
        limits = (each.target_ongoing_requests, each.max_ongoing_requests)
        use = (f"{100 * each.utilisation:.0f} %", ms(each.latency_s))
        cells = (str(each.replicas), f"{each.num_cpus:g}", batch, mean, *map(str, limits), *use)
        rows.append((name, *cells))
    headers = ["", "replicas", "num_cpus", "max batch", "mean batch", "target ongoing"]
    headers += ["max ongoing", "busy", "ms a call"]
    lines = [
        f"{load.requests_per_s:g} requests/s of {load.prompt_tokens:g} tokens, "
        f"{100 * load.hit_rate:.0f} % cached, p95 within {1e3 * plan.target.p95_s:g} ms",
        text_table(headers, rows),
        f"expected: p50 {ms(plan.p50_s)} ms, p95 {ms(plan.p95_s)} ms; the target holds up to "
        f"{rate_text(plan.capacity_per_s)} requests/s",
        f"CPU cores: {plan.cores}, of which {plan.cores_used:.2f} are in use",
    ]
    if plan.proxies > 1:
        lines.append(
            f"HTTP proxies: {plan.proxies}; set proxy_location: EveryNode and have as many nodes"
        )
    return "\n".join(lines)
