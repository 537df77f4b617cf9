"""Ask every model of a pool every question, grade the answers, and keep what they cost."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.calls import Call
from pipelines.journal import CUT, Journal, Measured
from pipelines.purse import Tally
from pipelines.stages import Stages
from scope.endpoint import CallError, Endpoint, Reply
from scope.errors import ConfigError
from scope.upstream import Upstream

SYNC_S = 1.0
"""Results older than this survive a power cut."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How the questions are asked."""

    endpoint: Endpoint
    temperature: float = 0.0
    keep_answers: bool = False


async def measure(
    calls: Sequence[Call],
    asking: Asking,
    journal: Journal,
    tally: Tally,
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
    stages.begin("asking", len(calls), usd=purse.usd, doubtful_usd=purse.doubtful_usd)
    async with Upstream(asking.endpoint) as upstream:

        async def work() -> None:
            for call in queue:
                reserved_usd = call.at_most_usd
                if not await purse.reserve(reserved_usd):
                    return
                row, error = await _made(call, upstream, asking)
                journal.append(row)
                await purse.settle(reserved_usd, row)
                tally.add(row)
                failed = int(error is not None)
                stages.advance(errors=failed, usd=row.usd, doubtful_usd=row.doubtful_usd)
                if error is not None and error.hopeless:
                    url = asking.endpoint.base_url
                    raise ConfigError(f"{url} refuses every call: {error}") from error

        await _all_of([work] * min(asking.endpoint.concurrency, len(calls)), journal)


async def _all_of(workers: Sequence[Callable[[], Any]], journal: Journal) -> None:
    """Run the workers to their end; the first error ends all, and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            syncing = group.create_task(_keep_synced(journal))
            async with asyncio.TaskGroup() as working:
                for worker in workers:
                    working.create_task(worker())
            syncing.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


async def _keep_synced(journal: Journal) -> None:
    while True:
        await asyncio.sleep(SYNC_S)
        await asyncio.to_thread(journal.sync)


async def _made(
    call: Call, upstream: Upstream, asking: Asking
) -> tuple[Measured, CallError | None]:
    """Make one call and grade it; a failure is a result too."""
    question, model = call.question, call.model
    settings = {"max_tokens": call.max_tokens, "temperature": asking.temperature}
    try:
        reply = await upstream.ask(model.upstream_id or model.id, question.prompt, **settings)
    except CallError as error:
        failed = Measured(
            question.id,
            model.id,
            question.digest,
            doubtful_usd=error.maybe_billed * call.at_most_usd,
            attempts=error.attempts,
            error=error.kind,
            message=error.message,
        )
        return failed, error
    return _graded(call, reply, asking.keep_answers), None


def _graded(call: Call, reply: Reply, keep_answers: bool) -> Measured:
    question, told = call.question, None
    try:
        if reply.cut:  # what it would have settled on is not known
            correct, told = None, CUT
        else:
            correct = question.grader.grade(reply.text, question.gold, question.prompt)
    except Exception as error:  # whatever a grader of the user's own raises: the answer is paid
        correct, told = None, f"{question.grader.name}: {type(error).__name__}: {error}"
    known = reply.prompt_tokens is not None and reply.completion_tokens is not None
    maybe_billed = reply.maybe_billed + (not known)
    return Measured(
        question.id,
        call.model.id,
        question.digest,
        correct=correct,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        usd=call.usd(reply.prompt_tokens or 0, reply.completion_tokens or 0) if known else 0.0,
        doubtful_usd=maybe_billed * call.at_most_usd,
        attempts=reply.attempts,
        message=told,
        answer=reply.text if keep_answers else None,
    )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
