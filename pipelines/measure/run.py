"""Make the calls of a measurement, grade the answers, and record the results."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.measure.call_plan import Call, MeasuredQuestion
from pipelines.measure.first_calls import remedy
from pipelines.measure.journal import EFFORT_REFUSED, TRUNCATED, CallResult, Journal
from pipelines.measure.parameters import KNOWN_BY_NAME, ParameterFlags
from pipelines.measure.spend_cap import MeasureProgress
from pipelines.terminal import Stages
from scope.errors import ConfigError
from scope.prices import bill_usd
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
    parameters: ParameterFlags = KNOWN_BY_NAME
    """What is dropped, renamed or set besides."""
    stage: str = "measuring"
    """Name of the stage in the progress."""

    def fields(self, call: Call) -> dict[str, Any]:
        """Return the fields of the request of a call, as its model accepts them."""
        fields: dict[str, Any] = {
            "max_tokens": call.max_tokens,
            "temperature": self.temperature,
        }
        if self.top_p is not None:
            fields["top_p"] = self.top_p
        if self.seed is not None:
            fields["seed"] = self.seed + (call.sample or 0)
        if call.effort is not None:
            fields["reasoning_effort"] = call.effort
        return self.parameters.fit(call.upstream_id, fields)


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
        If the upstream refuses the key or the credit, or the first calls all fail alike: so
        would all others.
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
                _check_others(error, settings.endpoint.base_url, progress)

        await _run_workers([work] * min(settings.endpoint.concurrency, len(calls)), journal)


def _check_others(error: UpstreamError | None, url: str, progress: MeasureProgress) -> None:
    """Raise `ConfigError` if the failure of a call shows that all others would fail alike."""
    alike = progress.first_calls.fail_alike(error) and progress.done < progress.total
    if error is not None and error.is_fatal:
        raise ConfigError(f"{url} refuses every call: {error}") from error
    if error is not None and alike:
        raise ConfigError(
            f"{url}: the first {progress.first_calls.n_failed} calls all failed alike, so the "
            f"others were not made: {error}; {remedy(error)}"
        ) from error


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
    try:
        completion = await client.complete(
            call.upstream_id, call.question.prompt, **settings.fields(call)
        )
    except UpstreamError as error:
        return _failed(call, error), error
    return _answered(call, completion, settings.keep_answers), None


def _failed(call: Call, error: UpstreamError) -> CallResult:
    kind, message = error.kind, error.message
    if call.effort is not None and error.status in (400, 422) and _names_effort(error):
        kind = EFFORT_REFUSED
        message = f"{call.upstream_id} refuses reasoning_effort {call.effort!r}: {error.message}"
    return CallResult(
        *_key(call),
        possibly_billed_usd=error.possibly_billed_attempts * call.max_usd,
        attempts=error.attempts,
        error=kind,
        message=message,
        sample=call.sample,
    )


def _names_effort(error: UpstreamError) -> bool:
    """Return whether the message of an error, or a field of its body, names the effort."""
    said = f"{error.message} {json.dumps(error.body)}".lower()
    return any(f"reasoning{mark}effort" in said for mark in "_. ")


def _answered(call: Call, completion: CompletionResult, keep_answers: bool) -> CallResult:
    correct, message = _graded(call.question, completion)
    usd = bill_usd(call.model, completion.usage)
    possibly_billed_attempts = completion.possibly_billed_attempts + (usd is None)
    return CallResult(
        *_key(call),
        correct=correct,
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
        usd=0.0 if usd is None else usd,
        possibly_billed_usd=possibly_billed_attempts * call.max_usd,
        attempts=completion.attempts,
        message=message,
        answer=completion.text if keep_answers else None,
        sample=call.sample,
        vote=None if call.sample is None else _vote(call.question, completion),
    )


def _graded(
    question: MeasuredQuestion, completion: CompletionResult
) -> tuple[float | None, str | None]:
    """Return the grade of an answer, and why it has none."""
    if completion.truncated:  # its final answer is unknown
        return None, TRUNCATED
    try:
        return question.grader.grade(completion.text, question.gold, question.prompt), None
    except Exception as error:  # a grader of the user's may raise anything; the answer is paid for
        return None, f"{question.grader.name}: {type(error).__name__}: {error}"


def _vote(question: MeasuredQuestion, completion: CompletionResult) -> str | None:
    """Return a digest of the extracted answer, which without `keep_answers` may not be stored."""
    extract = question.grader.extract
    final = extract(completion.text, question.prompt) if extract else None
    if final is None or completion.truncated:
        return None
    return hashlib.sha256(final.encode()).hexdigest()[:12]


def _key(call: Call) -> tuple[str, str, str]:
    return call.question.id, call.model.id, call.question.digest


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
