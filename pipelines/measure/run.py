"""Make the calls of a measurement, grade the answers, and record the results."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.measure.call_plan import Call
from pipelines.measure.journal import TRUNCATED, CallResult, Journal
from pipelines.measure.spend_cap import MeasureProgress
from pipelines.terminal import Stages
from scope.errors import ConfigError
from scope.upstream import ChatClient, CompletionResult, EndpointConfig, UpstreamError

SYNC_S = 1.0
"""Interval between two syncs of the journal; older results survive a power cut."""


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """Endpoint and parameters of all calls."""

    endpoint: EndpointConfig
    temperature: float = 0.0
    keep_answers: bool = False
    top_p: float | None = None
    """None leaves the provider's default."""
    seed: int | None = None
    """Sample n of a question is drawn with seed + n; None sends no seed."""
    stage: str = "measuring"
    """Name of the stage in the progress."""

    def fields(self, call: Call) -> dict[str, float]:
        """Return the fields of the request of a call."""
        fields: dict[str, float] = {
            "max_tokens": call.max_tokens,
            "temperature": self.temperature,
        }
        if self.top_p is not None:
            fields["top_p"] = self.top_p
        if self.seed is not None:
            fields["seed"] = self.seed + (call.sample or 0)
        return fields


async def measure(
    calls: Sequence[Call],
    settings: RequestSettings,
    journal: Journal,
    progress: MeasureProgress,
    stages: Stages | None = None,
) -> None:
    """Make the calls until all are made or the spend cap is reached.

    As many run at once as the endpoint allows. Each result is in the journal before the next call
    of its worker starts.

    Raises
    ------
    ConfigError
        If the upstream refuses the key or the credit: all further calls would fail alike.
    OSError
        If the journal cannot be written.
    """
    queue, cap, stages = iter(calls), progress.spend_cap, stages or Stages()
    stages.begin(
        settings.stage, len(calls), usd=cap.usd, possibly_billed_usd=cap.possibly_billed_usd
    )
    async with ChatClient(settings.endpoint) as client:

        async def work() -> None:
            for call in queue:
                reserved_usd = call.max_usd
                if not await cap.reserve(reserved_usd):
                    return
                row, error = await _call(call, client, settings)
                journal.append(row)
                await cap.settle(reserved_usd, row)
                progress.add(row)
                stages.advance(
                    errors=int(error is not None),
                    usd=row.usd,
                    possibly_billed_usd=row.possibly_billed_usd,
                )
                if error is not None and error.is_fatal:
                    url = settings.endpoint.base_url
                    raise ConfigError(f"{url} refuses every call: {error}") from error

        await _run_workers([work] * min(settings.endpoint.concurrency, len(calls)), journal)


async def _run_workers(workers: Sequence[Callable[[], Any]], journal: Journal) -> None:
    """Run the workers; the first error cancels the others and is raised without a group."""
    try:
        async with asyncio.TaskGroup() as group:
            syncing = group.create_task(_sync_loop(journal))
            async with asyncio.TaskGroup() as working:
                for worker in workers:
                    working.create_task(worker())
            syncing.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


async def _sync_loop(journal: Journal) -> None:
    while True:
        await asyncio.sleep(SYNC_S)
        await asyncio.to_thread(journal.sync)


async def _call(
    call: Call, client: ChatClient, settings: RequestSettings
) -> tuple[CallResult, UpstreamError | None]:
    """Make one call and grade the answer; a failure is a result, too."""
    question, model = call.question, call.model
    try:
        completion = await client.complete(
            model.upstream_id or model.id,
            question.prompt,
            **settings.fields(call),
        )
    except UpstreamError as error:
        failed = CallResult(
            question.id,
            model.id,
            question.digest,
            possibly_billed_usd=error.possibly_billed_attempts * call.max_usd,
            attempts=error.attempts,
            error=error.kind,
            message=error.message,
            sample=call.sample,
        )
        return failed, error
    return _grade(call, completion, settings.keep_answers), None


def _grade(call: Call, completion: CompletionResult, keep_answers: bool) -> CallResult:
    question, message = call.question, None
    try:
        if completion.truncated:  # its final answer is unknown
            correct, message = None, TRUNCATED
        else:
            correct = question.grader.grade(completion.text, question.gold, question.prompt)
    except Exception as error:  # a grader of the user's may raise anything; the answer is paid for
        correct, message = None, f"{question.grader.name}: {type(error).__name__}: {error}"
    prompt_tokens, completion_tokens = completion.prompt_tokens, completion.completion_tokens
    known = prompt_tokens is not None and completion_tokens is not None
    possibly_billed_attempts = completion.possibly_billed_attempts + (not known)
    return CallResult(
        question.id,
        call.model.id,
        question.digest,
        correct=correct,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        usd=call.usd(prompt_tokens or 0, completion_tokens or 0) if known else 0.0,
        possibly_billed_usd=possibly_billed_attempts * call.max_usd,
        attempts=completion.attempts,
        message=message,
        answer=completion.text if keep_answers else None,
        sample=call.sample,
    )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
