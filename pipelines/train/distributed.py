"""Run the training loop on several processes: Ray Train starts, watches and restarts them."""

import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import ray

from pipelines.cluster.session import quiet_logging, ray_session
from pipelines.terminal import Stages
from pipelines.train.job import JobFolder, TrainJob, TrainResult, TrainSettings
from pipelines.train.loop import CHECKPOINTS, Report, last_checkpoint, require_accelerate, train
from scope.errors import ClusterError, ConfigError, ScopeError, first_line

MAX_RESTARTS = 3
"""Restarts of all processes after one was lost; each continues from the last checkpoint."""

POLL_S = 0.5

STORAGE = "ray"


@ray.remote(num_cpus=0)
class StepCounter:
    """Holds the progress of a training, and the error that ended it."""

    def __init__(self) -> None:
        self._done = 0
        self._error: ScopeError | None = None

    def report(self, done: int) -> None:
        """Store the number of steps done."""
        self._done = done

    def fail(self, error: ScopeError) -> None:
        """Store the error."""
        self._error = error

    def read(self) -> tuple[int, ScopeError | None]:
        """Return the steps done, and the error or None."""
        return self._done, self._error


Loop = Callable[[Path, Report], None]
"""Trains in one process: a working folder, and the callable that receives the steps done."""


def run_job(files: JobFolder, stages: Stages) -> TrainResult:
    """Train a job on `TrainSettings.n_workers` processes, from its last checkpoint if it has one.

    Parameters
    ----------
    files : JobFolder
        On a disk that all processes share.
    stages : Stages
        Receives the progress.

    Raises
    ------
    ConfigError
        If a library is missing, the cluster has too few CPUs or GPUs, or the encoder cannot be
        loaded.
    ClusterError
        If processes are lost again and again.
    """
    if files.result is not None:
        return files.result
    require_accelerate()
    job = files.job()
    run_workers(train, files.path, job.settings, total_steps(job, files), stages)
    if files.result is None:
        raise ClusterError("the training ended without a result; run the same command again")
    return files.result


def total_steps(job: TrainJob, files: JobFolder) -> int:
    """Return the steps of all epochs."""
    settings = job.settings
    per_worker = max(settings.batch_size // settings.n_workers, 1)
    n_batches = math.ceil(files.n_rows("train") / per_worker)
    return math.ceil(n_batches / settings.n_workers) * settings.epochs


def run_workers(
    loop: Loop, folder: Path, settings: TrainSettings, total: int, stages: Stages
) -> None:
    """Run a training loop on `TrainSettings.n_workers` processes of Ray Train.

    Lost processes are restarted a limited number of times; the loop then continues from its last
    checkpoint.

    Parameters
    ----------
    loop : callable
        Called in every process with `folder` and a callable for its progress.
    folder : Path
        Working folder, on a disk that all processes share.
    settings : TrainSettings
    total : int
        Steps of the whole training.
    stages : Stages
        Begins the stage ``training``.

    Raises
    ------
    ScopeError
        What the loop raises.
    ConfigError
        If the cluster has too few CPUs or GPUs.
    ClusterError
        If processes are lost again and again.
    """
    done = _steps_before(folder)
    with ray_session(stages):
        check_resources(settings)
        counter = StepCounter.remote()  # type: ignore[attr-defined]
        stages.begin("training", total, done=done)
        with _polling(counter, stages, done):
            _fit(loop, folder, settings, counter)
        _, error = ray.get(counter.read.remote())
    if error is not None:
        raise error


def check_resources(settings: TrainSettings) -> None:
    """Raise `ConfigError` if the cluster lacks what the workers need: Ray would wait for ever."""
    found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    n_workers = settings.n_workers
    for kind, each in (("CPU", 1.0), ("GPU", settings.gpus_per_worker)):
        if n_workers * each > found.get(kind, 0.0):
            raise ConfigError(
                f"{n_workers} workers need {n_workers * each:g} {kind}s, the cluster has "
                f"{found.get(kind, 0.0):g}; lower --workers"
            )


def _steps_before(folder: Path) -> int:
    checkpoint = last_checkpoint(folder / CHECKPOINTS)
    return int(checkpoint.rpartition("-")[2]) if checkpoint else 0


def _fit(loop: Loop, folder: Path, settings: TrainSettings, counter: Any) -> None:  # noqa: ANN401
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = settings.gpus_per_worker
    storage = folder / STORAGE
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"loop": loop, "folder": str(folder), "counter": counter},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=settings.n_workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": 1, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(
            name=uuid4().hex,  # an old name would bring back Ray Train's own state
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )
    try:
        with quiet_logging():
            trainer.fit()
    except RuntimeError as error:
        raise ClusterError(
            f"the training failed: {first_line(error)}; run the same command again to continue "
            "from the last checkpoint"
        ) from error
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _train_worker(config: dict[str, Any]) -> None:
    """Run the loop in one process; an error of ours ends the job without a restart."""
    import torch
    from ray.train import get_context

    # Ray gives a process one thread; on a CPU the processes of a node share all of its cores.
    n_local = get_context().get_local_world_size()
    torch.set_num_threads(max(len(os.sched_getaffinity(0)) // n_local, 1))
    counter = config["counter"]
    try:
        config["loop"](Path(config["folder"]), lambda done, total: counter.report.remote(done))
    except ScopeError as error:
        ray.get(counter.fail.remote(error))


@contextmanager
def _polling(counter: Any, stages: Stages, done: int) -> Iterator[None]:  # noqa: ANN401
    """Advance the stage with the steps that the workers report."""
    over = Event()

    def poll() -> None:
        shown = done
        while not over.wait(POLL_S):
            now, _ = ray.get(counter.read.remote())
            if now > shown:
                stages.advance(now - shown)
                shown = now

    thread = Thread(target=poll, name="training steps", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
