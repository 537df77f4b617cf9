"""Measure one replica of each deployment of a Serve configuration on this machine."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from deployments.checks import IMPORT_PATH
from deployments.profiling.live_serve import measure_serve
from deployments.profiling.measure_engine import has_engine, measure_engine
from deployments.profiling.measure_replicas import (
    ReplicaJob,
    batch_sizes,
    describe_machine,
    measure_replica,
)
from deployments.profiling.measure_router import measure_router
from deployments.profiling.service_times import CALLED, BatchTimes, EngineTime, ServiceTimes
from deployments.replicas import Batching
from deployments.replicas.app_config import AppConfig
from deployments.replicas.selector import SelectorArgs
from scope.bank import read_manifest
from scope.config import parse
from scope.errors import ConfigError

PROMPT_TOKENS = (16, 64, 128, 256)
"""Lengths that are measured; the embedded encoder reads no more than the last."""

PREDICTOR_BATCH = 16
"""Largest batch of a Predictor, which no setting changes."""

SHARES = {"replicas": 0.5, "router": 0.05, "serve": 0.15}
"""Parts of the time: for all classes together, twice for the Router, three times for Serve."""


def bench_replicas(
    application: Mapping[str, Any],
    serve_command: Sequence[str],
    *,
    prompt_tokens: int,
    seconds: float,
    tell: Callable[[str], None],
) -> ServiceTimes:
    """Measure the deployments of an application, and Serve itself.

    The engine of a reasoner is measured where vLLM is installed, beyond the given time.

    Parameters
    ----------
    application : mapping
        Of serve_config.yaml, checked.
    serve_command : sequence of str
        Starts ``scope serve``.
    prompt_tokens : int
        Length of the prompts that Serve and the Router are measured with.
    seconds : float
        For all measurements, without what starts and stops processes.
    tell : callable
        Receives a line about each step.
    """
    machine = describe_machine()  # before the work of measuring counts as its load
    args = parse(AppConfig, application.get("args") or {}, "args")
    blocks = {block["name"]: block for block in application.get("deployments") or []}
    manifest = read_manifest(Path(args.bank))
    called = [
        name
        for name in chain.from_iterable(CALLED)
        if name != "SecondEmbedder" or manifest.uses_second_encoder
    ]
    names = (*called, *_optional(args))
    share_s = SHARES["replicas"] * seconds / len(names)
    deployments = {
        name: _measure(name, args, blocks.get(name, {}), share_s, tell) for name in names
    }
    engine: tuple[EngineTime, ...] = ()
    if args.reasoner is not None and has_engine():
        engine = measure_engine(args.reasoner, tell)
    tell("Router: its own code, with replicas that answer at once")
    router = measure_router(
        args.bank, prompt_tokens=prompt_tokens, seconds=SHARES["router"] * seconds
    )
    serve = measure_serve(
        serve_command,
        application,
        called,
        prompt_tokens=prompt_tokens,
        seconds=SHARES["serve"] * seconds,
        tell=tell,
    )
    return ServiceTimes(
        machine=machine, serve=serve, router=router, deployments=deployments, engine=engine
    )


def _optional(args: AppConfig) -> list[str]:
    """Return the deployments that only some requests need, and that run with these arguments."""
    runs = {
        "Selector": isinstance(args.selector, SelectorArgs),
        "LearnedRouter": bool(args.routers),
    }
    return [name for name in runs if runs[name]]


def _measure(
    name: str,
    args: AppConfig,
    block: Mapping[str, Any],
    seconds: float,
    tell: Callable[[str], None],
) -> BatchTimes:
    lengths: tuple[int, ...] = (1,)
    largest = PREDICTOR_BATCH  # the length of a prompt does not matter to it
    if name != "Predictor":
        batching = parse(Batching, block.get("user_config", {}), f"the {name}'s user_config")
        largest, lengths = batching.max_batch_size, PROMPT_TOKENS
    job = ReplicaJob(name, args, batch_sizes(largest), lengths, seconds)
    return measure_replica(job, block.get("ray_actor_options", {}), tell)


def application_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first application of ours in a Serve configuration.

    Raises
    ------
    ConfigError
        If there is none.
    """
    applications = config.get("applications")
    for application in applications if isinstance(applications, list) else []:
        if isinstance(application, dict) and application.get("import_path") == IMPORT_PATH:
            found: Mapping[str, Any] = application
            return found
    raise ConfigError(f"no application has import_path {IMPORT_PATH}")
