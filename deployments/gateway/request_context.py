"""One request, from its arrival to the last byte of its answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from deployments.protocol import Decision
from deployments.settings import ActiveSettings
from deployments.upstream import UpstreamResponse, UpstreamStream
from scope.upstream import token_count

DECISION_FIELDS = (
    "policy",
    "settings",
    "model",
    "source",
    "degraded",
    "reasoning",
    "candidates",
    "sticky",
)
"""Fields of a decision in the decision log."""


class RequestContext:
    """What is known of a request so far; whoever opens one closes it, however it ends.

    Parameters
    ----------
    endpoint : str
        ``chat``, ``route`` or ``models``.
    client : str
        Name of the API key.
    current : ActiveSettings
        The settings it was let in under; later ones are not for it.
    ended : callable
        Told once, when it is over.
    """

    def __init__(
        self,
        endpoint: str,
        client: str,
        current: ActiveSettings,
        ended: "Callable[[RequestContext], None]",
    ) -> None:
        self.endpoint, self.client, self.current = endpoint, client, current
        self.decisions: Sequence[Decision] = ()
        self.texts: Sequence[str | None] = ()
        self.answer: UpstreamResponse | UpstreamStream | None = None
        self.overhead_s = self.upstream_s = 0.0
        self._ended, self._open = ended, True
        self._began_at = time.perf_counter()

    def record_decisions(self, decisions: Sequence[Decision], texts: Sequence[str | None]) -> None:
        """Note what was decided, on which texts: all until now was overhead."""
        self.decisions, self.texts = decisions, texts
        self.overhead_s = time.perf_counter() - self._began_at

    def record_answer(self, answer: UpstreamResponse | UpstreamStream) -> None:
        """Note what came of the upstreams, or that a stream began."""
        self.answer = answer
        self.upstream_s = time.perf_counter() - self._began_at - self.overhead_s

    @property
    def model(self) -> str | None:
        """Which model answers; before anyone does, the one decided for."""
        if self.answer is not None:
            return self.answer.model
        return self.decisions[0].model if self.decisions else None

    def headers(self) -> dict[str, str]:
        """Return the response headers; those of one decision only where there is one."""
        overhead = {"x-scope-overhead-ms": f"{1e3 * self.overhead_s:.1f}"}
        if len(self.decisions) != 1:
            return overhead
        return self.decisions[0].headers(self.model) | overhead

    def close(self) -> None:
        """End it; what is told of it is told now, once."""
        if self._open:
            self._open = False
            self._ended(self)

    def log_records(self, bank: str) -> Iterator[dict[str, Any]]:
        """Yield one record of the decision log for each decision (docs/formats.md)."""
        happened = self._outcome_fields()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for decision, text in zip(self.decisions, self.texts, strict=True):
            body = decision.to_json()
            yield {
                "id": decision.id,
                "time": now,
                "endpoint": self.endpoint,
                "key": self.client,
                "bank": bank,
                **{name: body.get(name) for name in DECISION_FIELDS},
                "prompt": text,
                **happened,
            }

    def _outcome_fields(self) -> dict[str, Any]:
        answer = self.answer
        usage = (answer.usage if answer else None) or {}
        error = answer.error if isinstance(answer, UpstreamStream) else None
        return {
            "status": self._status(),
            "answered_by": answer.model if answer else None,
            "attempts": [
                {"model": one.model, "outcome": one.outcome, "latency_s": round(one.latency_s, 4)}
                for one in (answer.attempts if answer else ())
            ],
            "prompt_tokens": token_count(usage.get("prompt_tokens")),
            "completion_tokens": token_count(usage.get("completion_tokens")),
            "real_cost_usd": answer.cost_usd if answer else None,
            "overhead_ms": round(1e3 * self.overhead_s, 3),
            "upstream_ms": round(1e3 * self.upstream_s, 3) if answer else None,
            "error": error.kind if error else None,
        }

    def _status(self) -> int | None:
        """Return what the client was answered with; None if a chat ended before it was."""
        if isinstance(self.answer, UpstreamResponse):
            return self.answer.status
        return None if self.answer is None and self.endpoint == "chat" else 200
