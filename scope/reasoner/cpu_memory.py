"""Memory of an engine on a CPU: the size of its KV cache, and whether it fits.

vLLM by itself takes nearly all memory of a CPU, as it does of a GPU, and does not start where
something else has more than the rest.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scope.errors import EngineError
from scope.reasoner.spec import is_local_path

GIB = 2**30

OWN_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"
"""vLLM's own setting of the cache in GiB; where it is set, it decides."""

MOST_KV_CACHE_BYTES = 4 * GIB
"""More would not be used: on a CPU the arithmetic is slower than any memory."""

MOST_OF_FREE = 0.5
"""Share of the free memory that the cache may take; weights and activations need some, too."""

SPARE_TOKENS = 256
"""Two blocks of vLLM's cache on CPUs: one is never used, and the last of a reply is not full."""


class MachineMemory(NamedTuple):
    """Memory of this machine, or of the container that this process runs in."""

    total_bytes: int
    available_bytes: int

    @classmethod
    def read(
        cls, proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")
    ) -> "MachineMemory":
        """Read it from the kernel."""
        lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        kib = {words[0]: int(words[1]) for words in lines if len(words) > 1}
        total, available = 1024 * kib["MemTotal:"], 1024 * kib["MemAvailable:"]
        for limit, used in (
            (cgroup / "memory.max", cgroup / "memory.current"),
            (cgroup / "memory/memory.limit_in_bytes", cgroup / "memory/memory.usage_in_bytes"),
        ):
            try:
                limit_bytes, used_bytes = int(limit.read_text()), int(used.read_text())
            except (OSError, ValueError):  # no such file, or "max"
                continue
            total = min(total, limit_bytes)
            available = min(available, max(limit_bytes - used_bytes, 0))
        return cls(total, available)


def cpu_memory_kwargs(
    engine_kwargs: Mapping[str, Any],
    checkpoint: str,
    memory: MachineMemory,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, int]:
    """Return the arguments of vLLM that size the KV cache of an engine on a CPU.

    Parameters
    ----------
    engine_kwargs : mapping
        The other arguments of vLLM.
    checkpoint : str
        Local folder or Hugging Face name.
    memory : MachineMemory
        Of the machine that the engine starts on.
    environ : mapping of str to str, optional

    Returns
    -------
    dict of str to int
        ``kv_cache_memory_bytes``; empty where the operator has set the memory.

    Raises
    ------
    EngineError
        If the memory that is set, or the least that the model needs, is not free.
    """
    if environ.get(OWN_VARIABLE):
        return {}
    share = engine_kwargs.get("gpu_memory_utilization")
    if share is not None:
        _check_share(share, memory)
        return {}
    config = _model_config(checkpoint, engine_kwargs)
    one_token = bytes_per_token(config, engine_kwargs)
    own_length = (config.get("text_config") or config).get("max_position_embeddings")
    length = engine_kwargs.get("max_model_len") or own_length
    if one_token is None or length is None:
        return {"kv_cache_memory_bytes": _most(memory)}
    one_reply = one_token * (length + SPARE_TOKENS)
    if one_reply > memory.available_bytes:
        raise EngineError(
            f"{_gib(memory.available_bytes)} of {_gib(memory.total_bytes)} GiB of memory are free, "
            f"and the KV cache of one reply of {length} tokens takes {_gib(one_reply)}; "
            "set reasoner.max_context_tokens to less, take a smaller model, or free memory"
        )
    all_replies = one_token * (engine_kwargs["max_num_seqs"] * length + SPARE_TOKENS)
    return {"kv_cache_memory_bytes": min(all_replies, max(one_reply, _most(memory)))}


def bytes_per_token(config: Mapping[str, Any], engine_kwargs: Mapping[str, Any]) -> int | None:
    """Return what one token of context takes in the cache; None if the model does not say.

    Keys and values of every layer: ``2 * layers * heads * head size * bytes of a number``.

    Examples
    --------
    >>> bytes_per_token(
    ...     {"num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
    ...      "hidden_size": 576}, {"dtype": "auto"})
    23040
    """
    config = config.get("text_config") or config
    heads = config.get("num_attention_heads")
    layers = config.get("num_hidden_layers")
    if not heads or not layers:
        return None
    size = config.get("head_dim") or config.get("hidden_size", 0) // heads
    kv_heads = config.get("num_key_value_heads") or heads
    number_bytes = 4 if engine_kwargs.get("dtype") in ("float32", "float") else 2
    return 2 * layers * kv_heads * size * number_bytes or None


def _most(memory: MachineMemory) -> int:
    return int(min(MOST_KV_CACHE_BYTES, MOST_OF_FREE * memory.available_bytes))


def _check_share(share: float, memory: MachineMemory) -> None:
    wanted = share * memory.total_bytes
    if wanted <= memory.available_bytes:
        return
    most = int(100 * memory.available_bytes / memory.total_bytes) / 100
    raise EngineError(
        f"engine.gpu_memory_utilization is {share:g}, which is {_gib(wanted)} of the "
        f"{_gib(memory.total_bytes)} GiB of memory, and {_gib(memory.available_bytes)} are free; "
        f"set it to at most {most:g}, leave it out (the KV cache then fits the model), "
        "or free memory"
    )


def _model_config(checkpoint: str, engine_kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the content of ``config.json``; empty if there is none."""
    if is_local_path(checkpoint):
        try:
            config = json.loads((Path(checkpoint) / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return config if isinstance(config, dict) else {}
    from transformers import PretrainedConfig

    try:
        config, _ = PretrainedConfig.get_config_dict(
            checkpoint, revision=engine_kwargs.get("revision")
        )
    except (OSError, ValueError):
        return {}
    return dict(config)


def _gib(n_bytes: float) -> str:
    return f"{n_bytes / GIB:.3g}"
