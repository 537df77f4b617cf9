"""Configuration and placement of the vLLM engines of the reasoner, offline and online."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from scope.config import StrictModel
from scope.errors import ClusterError
from scope.reasoner.answers import ENGINE_ARGS
from scope.reasoner.spec import ReasonerConfig, is_local_path

PLACEMENT_STRATEGY = "STRICT_PACK"
"""All GPUs of an engine on one node: tensor parallelism across nodes is slower than one GPU."""


GPU_MEMORY_SHARE = 0.9
"""Share of a GPU's memory that an engine takes; nothing else runs on the GPU."""


class EngineConfig(StrictModel):
    """Resources of one vLLM engine; no field changes the meaning of an answer."""

    accelerator: Literal["gpu", "cpu"] = "gpu"
    """Hardware that the model runs on."""
    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs that share the weights of one engine, all on one node."""
    gpus_per_node: int | None = Field(default=None, ge=1)
    """GPUs of the largest node that the cluster can add; None counts the present nodes only."""
    cpus_per_worker: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """CPU cores reserved beside each GPU; on a CPU, those of the engine."""
    dtype: str = "auto"
    """Type of weights and activations, as vLLM names it; ``auto`` is that of the checkpoint."""
    max_num_seqs: int = Field(default=64, ge=1)
    """Replies that are generated concurrently; further requests queue inside the engine."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """Share of the memory for weights and caches: of each GPU's, 0.9 unless set; on a CPU of the
    machine's, and unless set the cache is as large as the model needs (`cpu_memory_kwargs`)."""
    eager: bool = False
    """Skip compilation: starts sooner, generates more slowly."""

    @model_validator(mode="after")
    def _parallel_on_gpus_only(self) -> Self:
        if self.accelerator == "cpu" and self.tensor_parallel > 1:
            raise ValueError(
                f"tensor_parallel is {self.tensor_parallel}; an engine on a CPU has 1 worker"
            )
        return self

    @property
    def bundle(self) -> dict[str, float]:
        """Resources that Ray reserves for one worker of an engine."""
        cpus = {"CPU": self.cpus_per_worker}
        return cpus if self.accelerator == "cpu" else {"GPU": 1.0, **cpus}

    @property
    def placement(self) -> dict[str, Any]:
        """The ``placement_group_config`` of ray.llm for the workers of one engine."""
        return {"bundle_per_worker": self.bundle, "strategy": PLACEMENT_STRATEGY}

    def vllm_kwargs(self) -> dict[str, Any]:
        """Return the vLLM arguments that this configuration decides."""
        kwargs: dict[str, Any] = {
            "tensor_parallel_size": self.tensor_parallel,
            "dtype": self.dtype,
            "max_num_seqs": self.max_num_seqs,
            "enforce_eager": self.eager,
        }
        share = self.gpu_memory_utilization
        if share is None and self.accelerator == "gpu":
            share = GPU_MEMORY_SHARE
        return kwargs if share is None else {**kwargs, "gpu_memory_utilization": share}


def vllm_engine_kwargs(reasoner: ReasonerConfig, engine: EngineConfig) -> dict[str, Any]:
    """Return all vLLM engine arguments except the checkpoint name, offline and online."""
    revision = None if is_local_path(reasoner.checkpoint) else reasoner.revision
    return {
        **ENGINE_ARGS,
        **engine.vllm_kwargs(),
        "max_model_len": reasoner.max_context_tokens,
        "revision": revision,
        "tokenizer_revision": revision,
        "trust_remote_code": reasoner.trust_remote_code,
        # A checkpoint's own top_p and top_k would cut off the less likely of yes and no.
        "generation_config": "vllm",
    }


def check_capacity(engine: EngineConfig, gpus_n: Sequence[float]) -> None:
    """Check that some node has enough GPUs for one engine.

    Parameters
    ----------
    engine : EngineConfig
    gpus_n : sequence of float
        GPUs of each node of the cluster.

    Raises
    ------
    ClusterError
        If no node has; the message compares the GPUs needed and present.
    """
    if engine.accelerator == "cpu":
        return
    largest = engine.gpus_per_node or max(gpus_n, default=0.0)
    needed = engine.tensor_parallel
    if needed <= largest:
        return
    if not largest:
        raise ClusterError(
            f"an engine needs {_gpus(needed)}, and no node has one; set engine.accelerator to cpu, "
            "or engine.gpus_per_node to the GPUs of a node that the cluster can add"
        )
    if engine.gpus_per_node:
        available = f"engine.gpus_per_node is {largest:g}"
    else:
        available = f"the largest of {len(gpus_n)} has {largest:g} ({sum(gpus_n):g} in all)"
    raise ClusterError(
        f"tensor_parallel is {needed}: one engine needs {_gpus(needed)} on one node, and "
        f"{available}; set tensor_parallel to at most {largest:g}"
    )


def n_engines_that_fit(engine: EngineConfig, gpus_n: Sequence[float]) -> int:
    """Return how many engines fit on the GPUs of these nodes at once.

    Examples
    --------
    >>> n_engines_that_fit(EngineConfig(tensor_parallel=4), [8, 4, 2])
    3
    """
    return sum(int(gpus // engine.tensor_parallel) for gpus in gpus_n)


def _gpus(n: int) -> str:
    return "1 GPU" if n == 1 else f"{n} GPUs"
