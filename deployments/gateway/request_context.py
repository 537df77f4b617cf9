"""The state of one request, from its admission to the last byte of its response."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from deployments.protocol import Decision
from deployments.settings import PREHOC, ActiveSettings
from deployments.upstream import SampleReport, UpstreamResponse, UpstreamStream
from scope.prices import TokenUsage

DECISION_FIELDS = (
    "strategy",
    "policy",
    "settings",
    "model",
    "source",
    "degraded",
    "reasoning",
    "known",
    "candidates",
    "sticky",
)
"""Fields of a decision in the decision log."""

WITHOUT_ANSWER = ("route", "feedback", "models", "count_tokens")
"""Endpoints that call no model."""


class LoggedText(NamedTuple):
    """What the decision log says of the text of one decision."""

    prompt: str | None = None
    """The text that was routed on."""
    prompt_is_whole: bool | None = None
    """Whether it is all that a model gets."""
    session: str | None = None
    """See `deployments.routing.sessions.session_mark`."""
    continues_turn: bool | None = None
    """Whether the request only adds tool results to a turn, whose text it repeats."""


class RequestContext:
    """What is known of a request so far; the code that opens a context closes it.

    Parameters
    ----------
    endpoint : str
        Its label in metrics, such as ``chat`` or ``route``.
    client : str
        Name of the API key.
    current : ActiveSettings
        The settings at its admission; they hold to its end.
    on_closed : callable
        Receives the context once, when the request is over.
    metadata : mapping of str to str
        What is known of every question of the API key.
    """

    def __init__(
        self,
        endpoint: str,
        client: str,
        current: ActiveSettings,
        on_closed: "Callable[[RequestContext], None]",
        metadata: Mapping[str, str],
    ) -> None:
        self.endpoint, self.client, self.current = endpoint, client, current
        self.metadata = metadata
        self.decisions: Sequence[Decision] = ()
        self.texts: Sequence[LoggedText] = ()
        self.answer: UpstreamResponse | UpstreamStream | None = None
        self.overhead_s = self.upstream_s = 0.0
        self._on_closed, self._open = on_closed, True
        self._started_at = time.perf_counter()

    def record_decisions(self, decisions: Sequence[Decision], texts: Sequence[LoggedText]) -> None:
        """Record decisions and their texts; the time until now is overhead."""
        self.decisions, self.texts = decisions, texts
        self.overhead_s = time.perf_counter() - self._started_at

    def record_answer(self, answer: UpstreamResponse | UpstreamStream) -> None:
        """Record the answer of the upstreams, or the start of a stream."""
        self.answer = answer
        samples = self.samples
        if samples is not None:
            (decision,) = self.decisions
            self.decisions = (decision.degraded_by(samples.degraded),)
        self.upstream_s = time.perf_counter() - self._started_at - self.overhead_s

    @property
    def samples(self) -> SampleReport | None:
        """How the answer was chosen, if it is the best of several samples."""
        return self.answer.samples if isinstance(self.answer, UpstreamResponse) else None

    @property
    def model(self) -> str | None:
        """The model that answered; before an answer, the chosen model."""
        if self.answer is not None:
            return self.answer.model
        return self.decisions[0].model if self.decisions else None

    def headers(self) -> dict[str, str]:
        """Return the response headers; a batch of decisions has only the overhead."""
        overhead = {"x-scope-overhead-ms": f"{1e3 * self.overhead_s:.1f}"}
        if len(self.decisions) != 1:
            return overhead
        return self.decisions[0].headers(self.model) | overhead

    def close(self) -> None:
        """Close the context; later calls do nothing."""
        if self._open:
            self._open = False
            self._on_closed(self)

    def log_records(self, bank: str) -> Iterator[dict[str, Any]]:
        """Yield the decision-log record of each decision (docs/formats.md)."""
        outcome = self._outcome_fields()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for decision, text in zip(self.decisions, self.texts, strict=True):
            body = decision.to_json()
            yield {
                "id": decision.id,
                "time": now,
                "endpoint": self.endpoint,
                "key": self.client,
                "bank": bank if decision.strategy == PREHOC else None,
                **{name: body.get(name) for name in DECISION_FIELDS},
                **text._asdict(),
                **outcome,
            }

    def _outcome_fields(self) -> dict[str, Any]:
        answer = self.answer
        usage = TokenUsage.from_json(answer.usage if answer else None)
        error = answer.error if isinstance(answer, UpstreamStream) else None
        return {
            "status": self._status(),
            "answered_by": answer.model if answer else None,
            "attempts": [
                {
                    "model": attempt.model,
                    "outcome": attempt.outcome,
                    "latency_s": round(attempt.latency_s, 4),
                }
                for attempt in (answer.attempts if answer else ())
            ],
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "real_cost_usd": answer.cost_usd if answer else None,
            "samples": self.samples and self.samples.to_json(),
            "overhead_ms": round(1e3 * self.overhead_s, 3),
            "upstream_ms": round(1e3 * self.upstream_s, 3) if answer else None,
            "error": error.kind if error else None,
        }

    def _status(self) -> int | None:
        """Return the HTTP status; None if a request for an answer ended without one."""
        if isinstance(self.answer, UpstreamResponse):
            return self.answer.status
        return 200 if self.answer is not None or self.endpoint in WITHOUT_ANSWER else None
