"""One request, from its arrival to the last byte of its answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from deployments.answers import Answer, Stream
from deployments.decision import Decision
from deployments.live import Current
from scope.upstream import token_count


class Exchange:
    """What is known of a request so far; whoever opens one closes it, however it ends.

    Parameters
    ----------
    endpoint : str
        ``chat``, ``route`` or ``models``.
    client : str
        Name of the API key.
    current : Current
        The settings it was let in under; later ones are not for it.
    ended : callable
        Told once, when it is over.
    """

    def __init__(
        self, endpoint: str, client: str, current: Current, ended: "Callable[[Exchange], None]"
    ) -> None:
        self.endpoint, self.client, self.current = endpoint, client, current
        self.decisions: Sequence[Decision] = ()
        self.texts: Sequence[str | None] = ()
        self.answer: Answer | Stream | None = None
        self.overhead_s = self.upstream_s = 0.0
        self._ended, self._open = ended, True
        self._began_at = time.perf_counter()

    def decided(self, decisions: Sequence[Decision], texts: Sequence[str | None]) -> None:
        """Note what was decided, on which texts: all until now was overhead."""
        self.decisions, self.texts = decisions, texts
        self.overhead_s = time.perf_counter() - self._began_at

    def answered(self, answer: Answer | Stream) -> None:
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

    def records(self, bank: str) -> Iterator[dict[str, Any]]:
        """Yield one record of the decision log for each decision (docs/formats.md)."""
        happened = self._happened()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for decision, text in zip(self.decisions, self.texts, strict=True):
            yield {
                "id": decision.id,
                "time": now,
                "endpoint": self.endpoint,
                "key": self.client,
                "bank": bank,
                "policy": decision.policy,
                "settings": decision.settings,
                "model": decision.model,
                "source": decision.source,
                "degraded": decision.degraded,
                "reasoning": decision.reasoning,
                "candidates": decision.candidates,
                "kept": decision.kept,
                "prompt": text,
                **happened,
            }

    def _happened(self) -> dict[str, Any]:
        answer = self.answer
        usage = (answer.usage if answer else None) or {}
        error = answer.error if isinstance(answer, Stream) else None
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
        if isinstance(self.answer, Answer):
            return self.answer.status
        return None if self.answer is None and self.endpoint == "chat" else 200
