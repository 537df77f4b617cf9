"""Time limits in their order: upstream, request, Serve, replica, pod."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.checks.application import ServedApplication
from deployments.checks.findings import Keys, Mistake, as_mapping, as_number, dotted
from deployments.checks.queues import Block, blocks_of
from deployments.settings import RouterSettings

SHUTDOWN_S = 20.0
"""Serve's default of ``graceful_shutdown_timeout_s``."""

POD_TERMINATION_S = 30.0
"""Kubernetes' default of ``terminationGracePeriodSeconds``."""

LEAST_HEALTH_CHECK_S = 1.0
"""A replica that computes may answer a check this late."""


def timeout_mistakes(app: ServedApplication) -> Iterator[Mistake]:
    """Yield time limits of our application that end before what they bound."""
    if (settings := app.settings) is None:
        return
    deadline_s = settings.limits.deadline_ms / 1000
    path = app.field("Router", "user_config")
    yield from _request_timeout(app, deadline_s)
    yield from _upstreams(app, settings, path, deadline_s)
    yield from _decision(app, settings, path, deadline_s)
    shutdown_s = as_number(app.block("Router").get("graceful_shutdown_timeout_s"), SHUTDOWN_S)
    if "Router" in app.blocks and shutdown_s is not None and shutdown_s < deadline_s:
        router = Block(app.config, *app.blocks["Router"])
        message = f"is {shutdown_s:g}, less than the deadline of a request, {deadline_s:g} s: "
        message += "an update breaks off streams"
        key, remedy = "graceful_shutdown_timeout_s", f"set it to {deadline_s:g} or more"
        yield router.mistake(key, message, remedy, "warning")


def _request_timeout(app: ServedApplication, deadline_s: float) -> Iterator[Mistake]:
    path = ("http_options", "request_timeout_s")
    limit_s = as_number(as_mapping(app.config.get("http_options")).get("request_timeout_s"))
    if limit_s is None:
        message = "http_options.request_timeout_s is not set: while no replica runs, requests wait"
        remedy = f"set it to {deadline_s:g} or more, the longest stream in seconds"
        yield Mistake(path, message, remedy, "warning")
    elif limit_s < deadline_s:
        message = (
            f"http_options.request_timeout_s is {limit_s:g}, and limits.deadline_ms allows a "
            f"request {deadline_s:g} s: Serve breaks it off with status 408"
        )
        yield Mistake(path, message, f"set it to {deadline_s:g} or more, or lower deadline_ms")


def _upstreams(
    app: ServedApplication, settings: RouterSettings, path: Keys, deadline_s: float
) -> Iterator[Mistake]:
    for name, upstream in settings.upstreams.items():
        if upstream.timeout_s > deadline_s:
            field = (*path, "upstreams", name, "timeout_s")
            message = (
                f"{dotted(app.config, field)} is {upstream.timeout_s:g}, and limits.deadline_ms "
                f"ends a request after {deadline_s:g} s: a slow upstream is never given up for "
                "another, and its circuit never opens"
            )
            yield Mistake(field, message, f"set it below {deadline_s:g}", "warning")


def _decision(
    app: ServedApplication, settings: RouterSettings, path: Keys, deadline_s: float
) -> Iterator[Mistake]:
    """Yield limits of a decision that exceed half of the deadline, all they can use."""
    waits = {("limits", "decision_ms"): settings.limits.decision_ms}
    if settings.reasoning.mode != "off":
        waits["reasoning", "deadline_ms"] = settings.reasoning.deadline_ms
    for keys, wait_ms in waits.items():
        if wait_ms / 1000 > deadline_s / 2:
            field = (*path, *keys)
            message = (
                f"{dotted(app.config, field)} is {wait_ms}, more than half of "
                f"limits.deadline_ms, {settings.limits.deadline_ms}, which is all that it can use"
            )
            remedy = f"set it to {settings.limits.deadline_ms // 2} or less"
            yield Mistake(field, message, remedy, "warning")


def health_check_mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield health checks that a busy replica fails."""
    for block in blocks_of(config):
        timeout_s = block.number("health_check_timeout_s")
        if timeout_s is not None and timeout_s < LEAST_HEALTH_CHECK_S:
            message = f"is {timeout_s:g}: a busy replica answers later and is stopped"
            remedy = "set it to several seconds"
            yield block.mistake("health_check_timeout_s", message, remedy)


def longest_shutdown_s(config: Mapping[str, Any]) -> tuple[float, str]:
    """Return the longest time that a replica may take to stop, and its deployment."""
    waits = [
        (as_number(block.value.get("graceful_shutdown_timeout_s"), SHUTDOWN_S), block.name)
        for block in blocks_of(config)
    ]
    return max(((wait_s, name) for wait_s, name in waits if wait_s), default=(SHUTDOWN_S, ""))
