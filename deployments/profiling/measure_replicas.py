"""Time the classes of the replicas, one replica at a time, in a process as Ray starts it."""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deployments.profiling.prompts import distinct_prompts
from deployments.profiling.service_times import (
    BatchTime,
    BatchTimes,
    Machine,
    fit_line,
    service_field,
)
from deployments.protocol import PredictionRequest, SelectionRequest, StrategyRequest
from deployments.replicas.app_config import AppConfig
from deployments.replicas.selector import SelectorArgs
from scope.bank import load_bank, read_manifest
from scope.errors import ClusterError

MIN_BATCHES = 5
"""Batches of each size that are timed, however long they take."""

LIBRARIES = ("ray", "torch", "sentence-transformers", "numpy")

Batch = Callable[[], object]
Tell = Callable[[str], None]


class ReplicaJob(NamedTuple):
    """What to measure of one deployment."""

    name: str
    args: AppConfig
    batches: tuple[int, ...]
    """Sizes, ascending."""
    lengths: tuple[int, ...]
    """Prompt lengths, tokens."""
    seconds: float
    """For all sizes and lengths together."""


def batch_sizes(largest: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and `largest`.

    Examples
    --------
    >>> batch_sizes(6)
    (1, 2, 4, 6)
    """
    powers = (2**power for power in range(largest.bit_length()))
    return tuple(sorted({*(power for power in powers if power < largest), largest}))


def replica_threads(ray_actor_options: Mapping[str, Any]) -> int:
    """Return the threads that Ray allows the matrix products of a replica.

    Ray sets ``OMP_NUM_THREADS`` to the whole CPUs of an actor, to at least one.

    Examples
    --------
    >>> replica_threads({"num_cpus": 0.25}), replica_threads({"num_cpus": 2.5})
    (1, 2)
    """
    return max(1, int(ray_actor_options.get("num_cpus", 1)))


def measure_replica(
    job: ReplicaJob, ray_actor_options: Mapping[str, Any], tell: Tell
) -> BatchTimes:
    """Time one replica of a deployment, in a process of its own.

    Parameters
    ----------
    job : ReplicaJob
    ray_actor_options : mapping
        Of its block: the CPUs decide its threads, and without GPUs it sees none.
    tell : callable
        Receives a line about what is measured.

    Raises
    ------
    ClusterError
        If the process dies, for example for want of memory.
    """
    tell(f"{job.name}: {job.seconds:g} s of batches of 1 to {job.batches[-1]}")
    context = multiprocessing.get_context("spawn")
    threads = replica_threads(ray_actor_options)
    variables = {"OMP_NUM_THREADS": str(threads)}
    if not ray_actor_options.get("num_gpus"):
        variables["CUDA_VISIBLE_DEVICES"] = ""  # as Ray does
    with _environment(variables), ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(time_replica, job, threads).result()
        except BrokenProcessPool as error:
            raise ClusterError(f"the process that measured the {job.name} died") from error


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Give processes that start meanwhile these variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
            if name in before:
                os.environ[name] = before[name]


def time_replica(job: ReplicaJob, threads: int) -> BatchTimes:
    """Load a replica into this process and time it: all sizes in turn, round after round.

    Parameters
    ----------
    job : ReplicaJob
    threads : int
        That the matrix products of this process take.
    """
    device, make_batch = REPLICAS[job.name](job.args)
    cells = [(batch, tokens) for tokens in job.lengths for batch in job.batches]
    prompts = {tokens: distinct_prompts(tokens, seed=2) for tokens in job.lengths}
    wall_s: dict[tuple[int, int], list[float]] = {cell: [] for cell in cells}
    cpu_s: dict[tuple[int, int], list[float]] = {cell: [] for cell in cells}
    for batch, tokens in (cells[0], cells[-1]):  # warm up
        make_batch(list(islice(prompts[tokens], batch)))()
    ends_at, round_no = time.perf_counter() + job.seconds, 0
    while round_no < MIN_BATCHES or time.perf_counter() < ends_at:
        # In turn, so that another load on the machine meets all sizes alike.
        for batch, tokens in cells:
            run = make_batch(list(islice(prompts[tokens], batch)))
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            run()
            wall_s[batch, tokens].append(time.perf_counter() - began_s)
            cpu_s[batch, tokens].append(time.process_time() - began_cpu_s)
        round_no += 1
    rows = tuple(_row(cell, wall_s[cell], cpu_s[cell]) for cell in cells)
    line = fit_line(rows, service_field(device, threads))
    return BatchTimes(device=device, threads=threads, rows=rows, line=line)


def _row(cell: tuple[int, int], wall_s: Sequence[float], cpu_s: Sequence[float]) -> BatchTime:
    return BatchTime(
        batch=cell[0],
        prompt_tokens=cell[1],
        median_s=float(np.median(wall_s)),
        p95_s=float(np.quantile(wall_s, 0.95)),
        cpu_s=float(np.median(cpu_s)),
        n=len(wall_s),
    )


def _embedder(args: AppConfig) -> tuple[str, Callable[[list[str]], Batch]]:
    from deployments.replicas import Embedder

    spec = load_bank(Path(args.bank)).embedder
    embedder = Embedder(spec.name, spec.revision, args.encoder_backend, spec.layer)
    return _device(), lambda texts: lambda: embedder.embed([[text] for text in texts])


def _second_embedder(args: AppConfig) -> tuple[str, Callable[[list[str]], Batch]]:
    from deployments.replicas import Embedder

    spec = read_manifest(Path(args.bank)).second_embedder
    assert spec is not None  # it is measured only where the bank uses it
    embedder = Embedder(spec.name, spec.revision, None, spec.layer, has_features=False)
    return _device(), lambda texts: lambda: embedder.embed([[text] for text in texts])


def _predictor(args: AppConfig) -> tuple[str, Callable[[list[str]], Batch]]:
    from deployments.replicas.predictor import Predictor

    predictor, bank = Predictor(args.bank), load_bank(Path(args.bank))

    def make(texts: list[str]) -> Batch:
        # The vectors and features of anchors stand for those of prompts: only their number counts.
        rows = [hash(text) % len(bank.embedding_ad) for text in texts]
        calls = [
            PredictionRequest(
                bank.version,
                bank.embedding_ad[row : row + 1].astype(np.float32),
                bank.features_af[row : row + 1],
                second_qy=bank.second_vectors(np.array([row])),
            )
            for row in rows
        ]
        return lambda: predictor.predict(calls)

    return "cpu", make


def _selector(args: AppConfig) -> tuple[str, Callable[[list[str]], Batch]]:
    from deployments.replicas.selector import Selector

    assert isinstance(args.selector, SelectorArgs)  # it is measured only where it is configured
    selector = Selector(args.selector)
    return _device(), lambda texts: lambda: selector.score([SelectionRequest("why?", texts)])


def _learned_router(args: AppConfig) -> tuple[str, Callable[[list[str]], Batch]]:
    from deployments.replicas.learned_router import StrategyPredictor, check_routers

    strategy, folder = next(iter(args.routers.items()))
    version = check_routers({strategy: folder})[strategy].version
    router = StrategyPredictor({strategy: folder})
    return (
        _device(),
        lambda texts: lambda: router.predict([StrategyRequest(strategy, version, texts)]),
    )


REPLICAS = {
    "Embedder": _embedder,
    "SecondEmbedder": _second_embedder,
    "Predictor": _predictor,
    "Selector": _selector,
    "LearnedRouter": _learned_router,
}
"""Deployment -> function from the arguments of the application to the device that it runs on, and
a function from texts to a batch."""


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_machine() -> Machine:
    """Return the processor, its cores, the GPU and the versions of the libraries."""
    versions = {"python": platform.python_version()} | {
        name: installed_version(name) for name in LIBRARIES
    }
    return Machine(
        cpu=_processor(),
        cores=len(os.sched_getaffinity(0)),
        gpu=_gpu(),
        load_average=os.getloadavg()[0],
        versions=versions,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return _after_colon(lines, "model name") or platform.machine()


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _after_colon(lines: Iterable[str], key: str) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
