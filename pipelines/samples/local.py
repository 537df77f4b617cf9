"""Draw responses from a checkpoint on local vLLM engines, by Ray Data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray.data import Dataset

from pipelines.cluster.capacity import check_engine_capacity
from pipelines.cluster.session import quiet_logging, ray_session
from pipelines.measure import TRUNCATED, Call, CallResult, Journal
from pipelines.samples.draw import DrawRequest, DrawRun
from pipelines.terminal import Stages
from scope.reasoner import EngineConfig, MachineMemory, cpu_memory_kwargs, is_local_path

BATCH_ROWS = 32
"""Responses per batch: few, as a batch ends with its slowest one."""

FAILED = "engine"
"""Kind of failure in the journal."""


@dataclass(frozen=True, slots=True)
class LocalEngines:
    """The checkpoint, and the engines that it runs on."""

    checkpoint: str
    engine: EngineConfig
    n_engines: int


def draw_locally(
    run: DrawRun, journal: Journal, request: DrawRequest, engines: LocalEngines, stages: Stages
) -> None:
    """Draw the responses that earlier runs lack; each is in the journal as it arrives.

    Raises
    ------
    ClusterError
        If the engines do not fit, or Ray is lost.
    """
    pending = run.history().pending(run.calls)
    if not pending:
        return
    with ray_session(stages):
        check_engine_capacity(engines.engine, engines.n_engines)
        stages.begin("starting the engine")
        plan = _plan(pending, request, engines)
        for number, batch in enumerate(plan.iter_batches(batch_size=None, batch_format="numpy")):
            if not number:
                stages.begin("drawing", len(run.calls), done=len(run.calls) - len(pending))
            columns = list(batch)
            for values in zip(*batch.values(), strict=True):
                result = _result(dict(zip(columns, values, strict=True)), pending)
                journal.append(result)
                stages.advance(errors=int(result.error is not None))


def _plan(pending: Sequence[Call], request: DrawRequest, engines: LocalEngines) -> Dataset:
    """Return the plan from calls to responses, in the order in which they arrive."""
    rows = _rows(pending, request.seed)
    rows.context.execution_options.preserve_order = False
    sampling = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    checkpoint = engines.checkpoint
    with quiet_logging():
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig

        config = vLLMEngineProcessorConfig(
            model_source=str(Path(checkpoint).resolve())
            if is_local_path(checkpoint)
            else checkpoint,
            # A checkpoint's own top_p and top_k would change what is asked for.
            engine_kwargs={**_vllm_kwargs(engines), "generation_config": "vllm"},
            placement_group_config=engines.engine.placement,
            batch_size=BATCH_ROWS,
            concurrency=(engines.n_engines, engines.n_engines),
            should_continue_on_error=True,
            log_engine_metrics=False,
        )
        processor = build_processor(
            config,
            preprocess=lambda row: _request(row, sampling),
            postprocess=_response,
        )
        return processor(rows)


def _vllm_kwargs(engines: LocalEngines) -> dict[str, Any]:
    """Return the arguments of vLLM; the cache on a CPU is sized for this machine."""
    kwargs = engines.engine.vllm_kwargs()
    if engines.engine.accelerator == "cpu":
        kwargs |= cpu_memory_kwargs(kwargs, engines.checkpoint, MachineMemory.read())
    return kwargs


def _rows(pending: Sequence[Call], seed: int | None) -> Dataset:
    """Return ``row``, ``prompt`` and ``seed`` of the calls, in small blocks."""
    seeds = [None if seed is None else seed + (call.sample or 0) for call in pending]
    table = pa.table(
        {
            "row": range(len(pending)),
            "prompt": [call.question.prompt for call in pending],
            "seed": pa.array(seeds, pa.int64()),
        }
    )
    blocks: list[Any] = [
        ray.put(table.slice(start, BATCH_ROWS)) for start in range(0, len(pending), BATCH_ROWS)
    ]
    return ray.data.from_arrow_refs(blocks)


def _request(row: Mapping[str, Any], sampling: Mapping[str, float]) -> dict[str, Any]:
    """Return what an engine reads."""
    seed = {} if row["seed"] is None else {"seed": int(row["seed"])}
    return {
        "row": row["row"],
        "messages": [{"role": "user", "content": row["prompt"]}],
        "sampling_params": {**sampling, **seed},
    }


def _response(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an engine's answer that is kept."""
    error = row.get("__inference_error__")
    return {
        "row": row["row"],
        "text": row.get("generated_text") or "",
        "prompt_tokens": row.get("num_input_tokens") or 0,
        "completion_tokens": row.get("num_generated_tokens") or 0,
        "error": str(error) if error else "",
    }


def _result(row: Mapping[str, Any], pending: Sequence[Call]) -> CallResult:
    call = pending[row["row"]]
    key = (call.question.id, call.model.id, call.question.digest)
    if row["error"]:
        return CallResult(*key, error=FAILED, message=row["error"][:500], sample=call.sample)
    return CallResult(
        *key,
        prompt_tokens=int(row["prompt_tokens"]),
        completion_tokens=int(row["completion_tokens"]),
        message=TRUNCATED if row["completion_tokens"] >= call.max_tokens else None,
        answer=row["text"],
        sample=call.sample,
    )
