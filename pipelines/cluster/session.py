"""A Ray session for the length of a job, and errors that cross it in their own words."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
from ray.data import DataContext
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import RayError, RayTaskError

from pipelines.cluster.watchdog import RERUN_ADVICE, watchdog
from pipelines.terminal import FreeResources, Stages
from scope.errors import ClusterError, ScopeError

MIN_LOGICAL_CPUS = 4
"""Actors of a pipeline hold CPUs while they wait for each other: fewer could deadlock."""

RESTART_OPTIONS: dict[str, Any] = {"max_restarts": 4}
"""Of a worker process that dies; its tasks go on in the new one. Ray Data's own are endless."""

NOTE = "\nFailed to apply UDF transform"
"""How the words begin that Ray Data adds to an error of a worker."""


@contextmanager
def ray_session(stages: Stages | None = None) -> Iterator[None]:
    """Join the Ray that ``RAY_ADDRESS`` names, or start one and stop it afterwards.

    A session that is already open is used and left open. To start one is a stage of the job;
    while one waits, its stages say what the cluster has free.

    Raises
    ------
    ClusterError
        If Ray is lost while it is used, or a worker process dies again and again.
    """
    stages = stages or Stages()
    ours = not ray.is_initialized()
    if ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # The driver's C++ half logs advice about Ray's own internals as errors.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        local = "RAY_ADDRESS" not in os.environ
        stages.begin("starting Ray" if local else "joining Ray")
        with _muted_stderr():
            _connect(local=local)
    _configure_data()
    stages.read_free_resources = free_resources
    with watchdog() if ours else nullcontext():
        try:
            with _unwrap_ray_errors():
                yield
        finally:
            if ours:
                stages.begin("stopping Ray")
                ray.shutdown()


def free_resources() -> FreeResources | None:
    """Return what the cluster has free; None if there is none, or none any more."""
    if not ray.is_initialized():
        return None
    try:
        free, whole = ray.available_resources(), ray.cluster_resources()  # type: ignore[no-untyped-call]
    except (RayError, RuntimeError):  # stopped or lost in between
        return None
    return FreeResources(
        free.get("CPU", 0.0), whole.get("CPU", 0.0), free.get("GPU", 0.0), whole.get("GPU", 0.0)
    )


def _connect(*, local: bool) -> None:
    ray.init(
        address="local" if local else None,
        num_cpus=max(MIN_LOGICAL_CPUS, os.cpu_count() or 1) if local else None,
        include_dashboard=False if local else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


@contextmanager
def _unwrap_ray_errors() -> Iterator[None]:
    """Raise a worker's error as itself, and what Ray says of lost processes as one sentence."""
    try:
        yield
    except RayTaskError as error:  # its own text is a whole traceback
        if isinstance(error.cause, ScopeError | OSError):
            raise _without_note(error.cause) from None
        raise
    except ExecutionTimeoutError as error:
        patience_s = DataContext.get_current().execution_no_progress_timeout_s
        raise ClusterError(
            f"nothing has moved for {patience_s / 60:.0f} minutes: a worker hangs, or waits for "
            f"room that never comes; {RERUN_ADVICE}"
        ) from error
    except RayError as error:
        first = str(error).strip().splitlines()[0].rstrip(".:")
        raise ClusterError(f"Ray could not finish the work: {first}; {RERUN_ADVICE}") from error


def _without_note(error: Exception) -> Exception:
    """Return an error as it was raised: Ray Data adds words about its retries to `args`."""
    if isinstance(error, OSError) and not isinstance(error, ScopeError):
        return OSError(error.errno, error.strerror) if error.errno else error
    error.args = tuple(
        part.split(NOTE, 1)[0] if isinstance(part, str) else part for part in error.args
    )
    return error


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Keep what libraries tell their own developers off the terminal; what goes wrong is raised."""
    level, disabled = logging.getLogger("ray").level, logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.getLogger("ray").setLevel(level)  # Ray's libraries start it once more, in vain


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Swallow what C++ writes to standard error; a failure still raises in Python."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def _configure_data() -> None:
    """Keep Ray Data's own bars and chatter off the terminal, and errors whole."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Else a worker's error arrives inside one of Ray Data's that has forgotten its cause.
    context.raise_original_map_exception = True
    # What goes wrong is raised; here it would be printed as well, with Ray Data's own frames.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # `RESTARTS` can be said in no other way before Ray 2.64.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
