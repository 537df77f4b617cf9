"""A Ray session for the duration of a job, and the errors of its workers."""

import gc
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
"""Actors hold CPUs while they wait for each other: fewer CPUs could deadlock."""

RESTART_OPTIONS: dict[str, Any] = {"max_restarts": 4}
"""Limits the restarts of a worker process; Ray Data's default is unlimited."""

RAY_DATA_NOTE = "\nFailed to apply UDF transform"
"""Start of the text that Ray Data appends to an error of a worker."""


@contextmanager
def ray_session(stages: Stages | None = None) -> Iterator[None]:
    """Join the Ray cluster named by ``RAY_ADDRESS``, or start one and stop it afterwards.

    A session that is already open is used and stays open. Starting Ray is a stage of the job;
    a stage that waits shows the free resources of the cluster.

    Raises
    ------
    ClusterError
        If Ray is lost during the block, or a worker process dies too often.
    """
    stages = stages or Stages()
    is_owner = not ray.is_initialized()
    if is_owner:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # The C++ part of the driver logs advice about Ray's internals as errors.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        local = "RAY_ADDRESS" not in os.environ
        stages.begin("starting Ray" if local else "joining Ray")
        with _muted_stderr():
            _connect(local=local)
    else:
        # Actors of an earlier job end with their handles, which cycles keep until a collection;
        # this job may need their CPUs.
        gc.collect()
    _configure_data()
    stages.read_free_resources = free_resources
    with watchdog() if is_owner else nullcontext():
        try:
            with _unwrap_ray_errors():
                yield
        finally:
            if is_owner:
                stages.begin("stopping Ray")
                ray.shutdown()


def free_resources() -> FreeResources | None:
    """Return the free and total resources of the cluster; None without one."""
    if not ray.is_initialized():
        return None
    try:
        free, total = ray.available_resources(), ray.cluster_resources()  # type: ignore[no-untyped-call]
    except (RayError, RuntimeError):  # stopped or lost meanwhile
        return None
    return FreeResources(
        free.get("CPU", 0.0), total.get("CPU", 0.0), free.get("GPU", 0.0), total.get("GPU", 0.0)
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
    """Raise the original error of a worker, and errors of Ray itself as a `ClusterError`."""
    try:
        yield
    except RayTaskError as error:  # its text is a whole traceback
        if isinstance(error.cause, ScopeError | OSError):
            raise _without_note(error.cause) from None
        raise
    except ExecutionTimeoutError as error:
        timeout_s = DataContext.get_current().execution_no_progress_timeout_s
        raise ClusterError(
            f"no progress for {timeout_s / 60:.0f} minutes: a worker hangs, or waits for "
            f"resources that the cluster lacks; {RERUN_ADVICE}"
        ) from error
    except RayError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:")
        raise ClusterError(f"Ray could not finish the work: {reason}; {RERUN_ADVICE}") from error


def _without_note(error: Exception) -> Exception:
    """Return an error as it was raised, without the text about retries that Ray Data appends."""
    if isinstance(error, OSError) and not isinstance(error, ScopeError):
        return OSError(error.errno, error.strerror) if error.errno else error
    error.args = tuple(
        part.split(RAY_DATA_NOTE, 1)[0] if isinstance(part, str) else part for part in error.args
    )
    return error


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Silence the log messages of libraries; errors are still raised."""
    level, disabled = logging.getLogger("ray").level, logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.getLogger("ray").setLevel(level)  # Ray's libraries set it again


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Discard what C++ writes to standard error; a failure is still raised in Python."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def _configure_data() -> None:
    """Turn off the terminal output of Ray Data, and keep the causes of errors."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # By default the error of a worker arrives in one of Ray Data's without its cause.
    context.raise_original_map_exception = True
    # Errors are raised; Ray Data would also print them, with its own frames.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # Ray < 2.64 has no other way to pass `RESTART_OPTIONS`.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
