"""The worker that holds an engine: prompts in, answers out.

It is Ray's vLLM stage with three differences. A reply is parsed in the worker, so that no log
probabilities travel. The number of prompt tokens in the prefix cache is reported. An engine
that dies is restarted a limited number of times, after which the job ends with the cause; Ray
would restart the worker for ever.

Private names of ``ray.llm`` are used in this module only.
"""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ray.data.llm import Processor
from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF
from ray.llm._internal.common.errors import VLLM_FATAL_ERRORS

from pipelines.cluster.session import RESTART_OPTIONS
from pipelines.reasoner.answer_writer import ERROR
from pipelines.reasoner.crash_log import CrashLog
from scope.errors import EngineError, first_line
from scope.reasoner import (
    MachineMemory,
    ReasonerConfig,
    ReasonerPrediction,
    average_predictions,
    cpu_memory_kwargs,
    parse_predictions,
)

STAGE = "vLLMEngineStage"

MAX_RESTARTS = 4
"""Restarts of the engine by one worker: a prompt that kills engines ends the job."""

ZERO_USAGE = {"prompt_tokens": 0, "generated_tokens": 0, "cached_tokens": 0}


@dataclass(frozen=True, slots=True)
class ReplyParser:
    """The sampling parameters of prompts, and the reading of replies."""

    config: ReasonerConfig
    sampling: dict[str, Any]
    yes_id: int
    no_id: int
    n_models: int
    """Models that a prompt of form ``pool`` is about."""

    def answer(self, output: Any) -> dict[str, Any]:  # noqa: ANN401 (vLLM's RequestOutput)
        """Return the probabilities and lengths of a prompt's answers, its token counts and error.

        ``p_yes`` and ``tokens`` are lists, with a number for each model that the prompt is about.
        """
        samples = [self._predictions(reply) for reply in output.outputs]
        answers = [average_predictions(line) for line in zip(*samples, strict=True)]
        parsed = not any(math.isnan(answer.p_yes) for answer in answers)
        return {
            "p_yes": [answer.p_yes for answer in answers],
            "tokens": [answer.tokens for answer in answers],
            "prompt_tokens": len(output.prompt_token_ids),
            "generated_tokens": sum(len(reply.token_ids) for reply in output.outputs),
            "cached_tokens": output.num_cached_tokens or 0,
            ERROR: "" if parsed else f"no answer in {output.outputs[0].text[-80:]!r}",
        }

    def failure(self, error: str) -> dict[str, Any]:
        """Return what `answer` does, for a prompt without a reply."""
        unknown = [math.nan] * (self.n_models if self.config.form == "pool" else 1)
        return {"p_yes": unknown, "tokens": unknown, **ZERO_USAGE, ERROR: error}

    def _predictions(self, reply: Any) -> list[ReasonerPrediction]:  # noqa: ANN401 (vLLM's)
        logprobs = [{token: entry.logprob for token, entry in p.items()} for p in reply.logprobs]
        return parse_predictions(
            reply.text,
            reply.token_ids,
            logprobs,
            self.yes_id,
            self.no_id,
            config=self.config,
            n_models=self.n_models,
        )


class EngineWorker(vLLMEngineStageUDF):
    """Holds one engine for all batches of a worker.

    Parameters
    ----------
    parser : ReplyParser
    on_cpu : bool
    arguments
        Arguments of Ray's stage.
    """

    def __init__(self, *, parser: ReplyParser, on_cpu: bool, **arguments: Any) -> None:  # noqa: ANN401
        self._parser, self._on_cpu = parser, on_cpu
        # The worker sets the sampling parameters: rows need no column for them.
        self._arguments = {**arguments, "expected_input_keys": []}
        self._name, self._up_s = uuid.uuid4().hex, time.time()
        self._deaths, self._lock = 0, asyncio.Lock()
        # Ray turns an error in a constructor into text and retries it: raise it with the batch.
        self._failure: EngineError | None = None
        try:
            self._start()
        except EngineError as error:
            self._failure = error
            super(vLLMEngineStageUDF, self).__init__(arguments["data_column"], [])

    async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Answer a batch of prompts.

        Raises
        ------
        EngineError
            If the engine cannot be started, or has died too often.
        """
        if self._failure is not None:
            raise self._failure
        async for answer in super().__call__(batch):
            yield answer

    async def _generate_with_error_handling(
        self, row: dict[str, Any], batch_uuid: uuid.UUID
    ) -> dict[str, Any]:
        """Return the row of an answer; it has an error if the prompt cannot be answered."""
        index, begun_s = row[self.IDX_IN_BATCH_COLUMN], time.time()
        answer: dict[str, Any]
        try:
            begun_s, reply = await self._reply(row)
            answer = self._parser.answer(reply)
        except EngineError:
            raise
        except Exception as error:  # of this prompt only: the others continue
            row.pop("sampling_params", None)
            answer = self._parser.failure(f"{type(error).__name__}: {first_line(error)}")
        times = {"up_s": self._up_s, "begun_s": begun_s, "ended_s": time.time()}
        return {**answer, **times, "engine": self._name, self.IDX_IN_BATCH_COLUMN: index}

    async def _reply(self, row: dict[str, Any]) -> tuple[float, Any]:
        """Return the start time of the prompt in the engine that answered, and vLLM's output."""
        from vllm.sampling_params import RequestOutputKind

        # By default vLLM sends the reply after each token; Ray's stage reads the last one only.
        final_only = {"output_kind": RequestOutputKind.FINAL_ONLY}
        row["sampling_params"] = {**self._parser.sampling, **final_only}
        request = await self.llm._prepare_llm_request(row)
        while True:
            engine = self.llm
            try:
                async with engine.semaphore:
                    begun_s = time.time()
                    return begun_s, await engine._generate_async(request)
            except VLLM_FATAL_ERRORS:
                await self._restart(engine)

    async def _restart(self, dead: Any) -> None:  # noqa: ANN401 (Ray's vLLMEngineWrapper)
        """Replace a dead engine, once for all rows that it has not answered."""
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if self.llm is not dead:
                return
            self._deaths += 1
            cause = self._log.last_error or "its process was killed, perhaps for want of memory"
            try:
                if self._deaths > MAX_RESTARTS:
                    raise EngineError(f"the engine has died {self._deaths} times; at last: {cause}")
                dead.shutdown()  # type: ignore[no-untyped-call]
                self._start()  # blocks the event loop; no row can be answered meanwhile
            except EngineError as error:
                self._failure = error
                raise

    def _start(self) -> None:
        """Start an engine."""
        self._log = CrashLog()
        try:
            super().__init__(**self._sized_arguments())
        except Exception as error:
            cause = self._log.last_error or first_line(error)
            checkpoint = self._parser.config.checkpoint
            raise EngineError(f"no engine could be started for {checkpoint!r}: {cause}") from error

    def _sized_arguments(self) -> dict[str, Any]:
        """Return the arguments of Ray's stage, with the size of the cache on a CPU."""
        if not self._on_cpu:
            return self._arguments
        kwargs = self._arguments["engine_kwargs"]
        sized = cpu_memory_kwargs(kwargs, self._arguments["model"], MachineMemory.read())
        return {**self._arguments, "engine_kwargs": {**kwargs, **sized}}


def use_engine_worker(processor: Processor, parser: ReplyParser, *, on_cpu: bool) -> None:
    """Put `EngineWorker` into the vLLM stage of a processor."""
    stage = processor.get_stage_by_name(STAGE)
    # An assignment would make Ray derive the resources of the stage again, from what is left.
    stage.__dict__["fn"] = EngineWorker
    stage.fn_constructor_kwargs.update(parser=parser, on_cpu=on_cpu)
    stage.map_batches_kwargs.update(RESTART_OPTIONS)
