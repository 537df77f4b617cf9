"""The worker that holds an engine: prompts in, answers out, and an end to its restarts.

It is Ray's own stage of vLLM with three differences. A reply is read where it is made, so that
no log probabilities travel. What the prefix cache had of a prompt is kept. And an engine that
dies is started anew a few times only, after which the job ends with its last words; Ray would
end the worker and try for ever.
"""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF
from ray.llm._internal.common.errors import VLLM_FATAL_ERRORS

from pipelines.reasoner.answer_writer import ERROR
from scope.errors import EngineError, first_line
from scope.reasoner import ReasonerConfig, ReasonerPrediction, average_predictions, parse_prediction

STDERR, STDOUT = 2, 1

ERROR_LINE = re.compile(r"(?:^|[\s\].])(?P<error>[A-Z]\w*(?:Error|Exception|Interrupt): .*\S)")

SECONDARY_ERRORS = (
    "Engine core initialization failed",
    "EngineCore encountered an issue",
    "EngineDeadError",
)
"""Of errors that only say that there was another."""

MAX_CHARS = 400


class CrashLog:
    """Reads what this process and those it has started write to its log from now on."""

    def __init__(self) -> None:
        # Ray gives each worker a log of its own, which the processes below it share.
        paths = {_target(number) for number in (STDOUT, STDERR)}
        self._from = {path: path.stat().st_size for path in paths if path is not None}

    @property
    def last_error(self) -> str | None:
        """The last error in the log that is not about another; None if there is none."""
        found = [line for path, size in self._from.items() for line in _errors(path, size)]
        return found[-1][:MAX_CHARS] if found else None


def _target(number: int) -> Path | None:
    """Return the file that a file descriptor writes to; None if it is none."""
    try:
        path = Path(f"/proc/self/fd/{number}").readlink()
    except OSError:
        return None
    return path if path.is_file() else None


def _errors(path: Path, start: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    found = [match["error"] for line in text.splitlines() if (match := ERROR_LINE.search(line))]
    return [error for error in found if not any(echo in error for echo in SECONDARY_ERRORS)]


MAX_RESTARTS = 4
"""How often a worker starts its engine anew: a prompt that kills engines ends the job."""

MISSING_PREDICTION = {"p_yes": float("nan"), "tokens": float("nan")}
ZERO_USAGE = {"prompt_tokens": 0, "generated_tokens": 0, "cached_tokens": 0}


@dataclass(frozen=True, slots=True)
class ReplyParser:
    """How prompts are continued, and what a continuation says."""

    config: ReasonerConfig
    sampling: dict[str, Any]
    yes_id: int
    no_id: int

    def answer(self, output: Any) -> dict[str, Any]:  # noqa: ANN401 (vLLM's RequestOutput)
        """Return probability and length of an answer, and what it took."""
        answer = average_predictions([self._answer(reply) for reply in output.outputs])
        understood = answer.p_yes == answer.p_yes
        return {
            "p_yes": answer.p_yes,
            "tokens": answer.tokens,
            "prompt_tokens": len(output.prompt_token_ids),
            "generated_tokens": sum(len(reply.token_ids) for reply in output.outputs),
            "cached_tokens": output.num_cached_tokens or 0,
            ERROR: "" if understood else f"no answer in {output.outputs[0].text[-80:]!r}",
        }

    def _answer(self, reply: Any) -> ReasonerPrediction:  # noqa: ANN401 (vLLM's CompletionOutput)
        return parse_prediction(
            reply.text,
            reply.token_ids,
            [{token: at.logprob for token, at in place.items()} for place in reply.logprobs],
            self.yes_id,
            self.no_id,
            reasoning=self.config.reasoning,
            temperature=self.config.temperature,
        )


class EngineWorker(vLLMEngineStageUDF):
    """Holds one engine for all batches a worker gets.

    Parameters
    ----------
    reading : ReplyParser
    arguments
        Those of Ray's stage.
    """

    def __init__(self, *, reading: ReplyParser, **arguments: Any) -> None:  # noqa: ANN401
        self._reading = reading
        # The sampling parameters are those of the worker: rows need not bring them.
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
            If there is no engine to answer them, and will be none.
        """
        if self._failure is not None:
            raise self._failure
        async for answered in super().__call__(batch):
            yield answered

    async def _generate_with_error_handling(
        self, row: dict[str, Any], batch_uuid: uuid.UUID
    ) -> dict[str, Any]:
        """Answer a prompt, by as many engines as it takes; one that cannot be is an error row."""
        place, begun_s = row[self.IDX_IN_BATCH_COLUMN], time.time()
        said: dict[str, Any]
        try:
            begun_s, reply = await self._reply(row)
            said = self._reading.answer(reply)
        except EngineError:
            raise
        except Exception as error:  # whatever is wrong with this prompt, others go on
            row.pop("sampling_params", None)
            said = {
                **MISSING_PREDICTION,
                **ZERO_USAGE,
                ERROR: f"{type(error).__name__}: {first_line(error)}",
            }
        when = {"up_s": self._up_s, "begun_s": begun_s, "ended_s": time.time()}
        return {**said, **when, "engine": self._name, self.IDX_IN_BATCH_COLUMN: place}

    async def _reply(self, row: dict[str, Any]) -> tuple[float, Any]:
        """Return when an engine took the prompt, and vLLM's RequestOutput."""
        from vllm.sampling_params import RequestOutputKind

        # Ray's stage looks at the last of a reply only; by itself vLLM sends it after each token.
        whole = {"output_kind": RequestOutputKind.FINAL_ONLY}
        row["sampling_params"] = {**self._reading.sampling, **whole}
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
        """Start a new engine in the place of a dead one, once for all rows it has left behind."""
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if self.llm is not dead:
                return
            self._deaths += 1
            died = self._words.last_error or "its process was killed, perhaps for want of memory"
            try:
                if self._deaths > MAX_RESTARTS:
                    raise EngineError(f"the engine has died {self._deaths} times; at last: {died}")
                dead.shutdown()  # type: ignore[no-untyped-call]
                self._start()  # nothing else can go on meanwhile
            except EngineError as error:
                self._failure = error
                raise

    def _start(self) -> None:
        """Start an engine."""
        self._words = CrashLog()
        try:
            super().__init__(**self._arguments)
        except Exception as error:
            told = self._words.last_error or first_line(error)
            checkpoint = self._reading.config.checkpoint
            raise EngineError(f"no engine could be started for {checkpoint!r}: {told}") from error
