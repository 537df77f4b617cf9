"""Draw responses from a checkpoint on local vLLM engines, by Ray Data."""

from collections.abc import Mapping, Sequence
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
from scope.reasoner import EngineConfig, is_local_path

BATCH_ROWS = 32
"""Responses per batch: few, as a batch ends with its slowest one."""

FAILED = "engine"
"""Kind of failure in the journal."""


def draw_locally(
    run: DrawRun,
    request: DrawRequest,
    checkpoint: str,
    engine: EngineConfig,
    n_engines: int,
    stages: Stages,
    *,
    fresh: bool,
) -> None:
    """Draw the responses that earlier runs lack; each is in the journal as it arrives.

    Raises
    ------
    ClusterError
        If the engines do not fit, or Ray is lost.
    """
    with Journal(run.folder, run.settings, fresh=fresh) as journal:
        pending = run.history().pending(run.calls)
        if not pending:
            return
        with ray_session(stages):
            check_engine_capacity(engine, n_engines)
            stages.begin("starting the engine")
            plan = _plan(pending, request, checkpoint, engine, n_engines)
            begun = False
            for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
                if not begun:
                    done = len(run.calls) - len(pending)
                    stages.begin("drawing", len(run.calls), done=done)
                    begun = True
                rows = [
                    dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)
                ]
                results = [_result(row, pending) for row in rows]
                for result in results:
                    journal.append(result)
                stages.advance(len(results), errors=sum(bool(row.error) for row in results))


def _plan(
    pending: Sequence[Call],
    request: DrawRequest,
    checkpoint: str,
    engine: EngineConfig,
    n_engines: int,
) -> Dataset:
    """Return the plan from calls to responses, in the order in which they arrive."""
    prompts = [call.question.prompt for call in pending]
    seeds = [None if request.seed is None else request.seed + (c.sample or 0) for c in pending]
    columns = {"row": range(len(pending)), "prompt": prompts}
    table = pa.table({**columns, "seed": pa.array(seeds, pa.int64())})
    blocks: list[Any] = [
        ray.put(table.slice(start, BATCH_ROWS)) for start in range(0, len(pending), BATCH_ROWS)
    ]
    rows = ray.data.from_arrow_refs(blocks)
    rows.context.execution_options.preserve_order = False
    sampling = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    source = str(Path(checkpoint).resolve()) if is_local_path(checkpoint) else checkpoint
    with quiet_logging():
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig

        config = vLLMEngineProcessorConfig(
            model_source=source,
            # A checkpoint's own top_p and top_k would change what is asked for.
            engine_kwargs={**engine.vllm_kwargs(), "generation_config": "vllm"},
            placement_group_config=engine.placement,
            batch_size=BATCH_ROWS,
            concurrency=(n_engines, n_engines),
            should_continue_on_error=True,
            log_engine_metrics=False,
        )
        processor = build_processor(
            config,
            preprocess=lambda row: _request(row, sampling),
            postprocess=_response,
        )
        return processor(rows)


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
