"""A Ray session for the length of a job, and errors that cross it in their own words."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.data import DataContext
from ray.exceptions import RayError, RayTaskError

from pipelines.stages import Spare, Stages
from scope.errors import ScopeError

MIN_LOGICAL_CPUS = 4
"""Actors of a pipeline hold CPUs while they wait for each other: fewer could deadlock."""


@contextmanager
def ray_session(stages: Stages | None = None) -> Iterator[None]:
    """Join the Ray that ``RAY_ADDRESS`` names, or start one and stop it afterwards.

    A session that is already open is used and left open. To start one is a stage of the job;
    while one waits, its stages say what the cluster has free.
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
            ray.init(
                address="local" if local else None,
                num_cpus=max(MIN_LOGICAL_CPUS, os.cpu_count() or 1) if local else None,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    _configure_data()
    stages.ask_spare = spare
    try:
        yield
        if ours:
            stages.begin("stopping Ray")
    except RayTaskError as error:  # its own text is a whole traceback
        if isinstance(error.cause, ScopeError):
            raise error.cause from None
        raise
    finally:
        if ours:
            ray.shutdown()


def spare() -> Spare | None:
    """Return what the cluster has free; None if there is none, or none any more."""
    if not ray.is_initialized():
        return None
    try:
        free, whole = ray.available_resources(), ray.cluster_resources()  # type: ignore[no-untyped-call]
    except (RayError, RuntimeError):  # stopped or lost in between
        return None
    return Spare(
        free.get("CPU", 0.0), whole.get("CPU", 0.0), free.get("GPU", 0.0), whole.get("GPU", 0.0)
    )


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
    logging.getLogger("ray.data").setLevel(logging.ERROR)
