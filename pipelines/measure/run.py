"""Ask every model of a pool every question, grade the answers, and keep what they cost."""

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
"""Results older than this survive a power cut."""


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How the questions are asked."""

    endpoint: EndpointConfig
    temperature: float = 0.0
    keep_answers: bool = False


async def measure(
    calls: Sequence[Call],
    asking: RequestSettings,
    journal: Journal,
    tally: MeasureProgress,
    stages: Stages | None = None,
) -> None:
    """Make the calls, as many at once as the endpoint allows, until all are made or the purse ends.

    Every result is in the journal before the next call of its worker starts.

    Raises
    ------
    ConfigError
        If the upstream refuses the key or the credit: all further calls would fail alike.
    OSError
        If the disk takes no more results.
    """
    queue, purse, stages = iter(calls), tally.purse, stages or Stages()
    stages.begin("asking", len(calls), usd=purse.usd, possibly_billed_usd=purse.possibly_billed_usd)
    async with ChatClient(asking.endpoint) as upstream:

        async def work() -> None:
            for call in queue:
                reserved_usd = call.at_most_usd
                if not await purse.reserve(reserved_usd):
                    return
                row, error = await _call(call, upstream, asking)
                journal.append(row)
                await purse.settle(reserved_usd, row)
                tally.add(row)
                failed = int(error is not None)
                stages.advance(
                    errors=failed, usd=row.usd, possibly_billed_usd=row.possibly_billed_usd
                )
                if error is not None and error.is_fatal:
                    url = asking.endpoint.base_url
                    raise ConfigError(f"{url} refuses every call: {error}") from error

        await _run_workers([work] * min(asking.endpoint.concurrency, len(calls)), journal)


async def _run_workers(workers: Sequence[Callable[[], Any]], journal: Journal) -> None:
    """Run the workers to their end; the first error ends all, and is raised as itself."""
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
    call: Call, upstream: ChatClient, asking: RequestSettings
) -> tuple[CallResult, UpstreamError | None]:
    """Make one call and grade it; a failure is a result too."""
    question, model = call.question, call.model
    settings = {"max_tokens": call.max_tokens, "temperature": asking.temperature}
    try:
        reply = await upstream.complete(model.upstream_id or model.id, question.prompt, **settings)
    except UpstreamError as error:
        failed = CallResult(
            question.id,
            model.id,
            question.digest,
            possibly_billed_usd=error.possibly_billed_attempts * call.at_most_usd,
            attempts=error.attempts,
            error=error.kind,
            message=error.message,
        )
        return failed, error
    return _grade(call, reply, asking.keep_answers), None


def _grade(call: Call, reply: CompletionResult, keep_answers: bool) -> CallResult:
    question, told = call.question, None
    try:
        if reply.truncated:  # what it would have settled on is not known
            correct, told = None, TRUNCATED
        else:
            correct = question.grader.grade(reply.text, question.gold, question.prompt)
    except Exception as error:  # whatever a grader of the user's own raises: the answer is paid
        correct, told = None, f"{question.grader.name}: {type(error).__name__}: {error}"
    known = reply.prompt_tokens is not None and reply.completion_tokens is not None
    possibly_billed_attempts = reply.possibly_billed_attempts + (not known)
    return CallResult(
        question.id,
        call.model.id,
        question.digest,
        correct=correct,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        usd=call.usd(reply.prompt_tokens or 0, reply.completion_tokens or 0) if known else 0.0,
        possibly_billed_usd=possibly_billed_attempts * call.at_most_usd,
        attempts=reply.attempts,
        message=told,
        answer=reply.text if keep_answers else None,
    )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
