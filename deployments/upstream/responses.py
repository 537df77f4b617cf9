"""The response to a request: its model, its attempts and its cost."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployments.tracing import NO_SPAN, Span
from deployments.upstream.samples import SampleCounts, SampleReport
from deployments.upstream.upstreams import ArmUpstream
from scope.prices import TokenUsage, bill_usd
from scope.upstream import UpstreamError


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to call one model, or all samples of one arm.

    Attributes
    ----------
    model : str
        Name of the arm.
    outcome : str
        ``ok``; ``full``, ``open circuit``, ``retry after`` or ``not supported`` if it was not
        called; otherwise the kind of `UpstreamError`, such as ``http 500``, ``timeout`` or
        ``deadline``.
    latency_s : float
        Until the answer, or the beginning of one in a stream.
    samples : SampleCounts or None
        Of an arm with several samples.
    """

    model: str
    outcome: str
    latency_s: float
    samples: SampleCounts | None = None


@dataclass(slots=True)
class UpstreamResponse:
    """A whole answer, or an error in its place.

    Attributes
    ----------
    status : int
    body : dict
        The upstream's, with the pool's name of the model as ``model`` and a field ``scope``; or
        ``{"error": …}``.
    headers : dict of str to str
        ``retry-after`` if a retry by the client may help.
    model : str or None
        The model that answered, if any.
    usage : mapping or None
    cost_usd : float or None
        What the upstream says, else at the pool's prices; None if both are unknown.
    attempts : tuple of Attempt
    samples : SampleReport or None
        How the answer was chosen, if it is the best of several samples.
    """

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    model: str | None
    usage: Mapping[str, Any] | None
    cost_usd: float | None
    attempts: tuple[Attempt, ...] = ()
    samples: SampleReport | None = None

    @property
    def content(self) -> bytes:
        """The body as JSON in ASCII: a truncated answer may end in half a character."""
        return json.dumps(self.body).encode()


@dataclass(slots=True)
class UpstreamStream:
    """A streamed answer that has begun.

    Attributes
    ----------
    model : str
    attempts : tuple of Attempt
    chunks : async generator of bytes
        To be sent as they come; closing it, or cancelling its reader, closes the connection.
    usage, cost_usd : as in `UpstreamResponse`
        None until the upstream has reported the usage.
    error : UpstreamError or None
        Why the stream broke, if it did; the client received it as the last event.
    span : Span
        Of the call; it ends with the stream.
    kept : list of bytes
        The chunks so far, if the span records texts.
    """

    model: str
    attempts: tuple[Attempt, ...] = ()
    chunks: AsyncGenerator[bytes, None] = field(init=False)
    usage: Mapping[str, Any] | None = None
    cost_usd: float | None = None
    error: UpstreamError | None = None
    span: Span = NO_SPAN
    kept: list[bytes] = field(default_factory=list)

    def keep(self, chunk: bytes) -> bytes:
        """Return a chunk, and keep it where the span records texts."""
        if self.span.records_content:
            self.kept.append(chunk)
        return chunk


def cost_usd(arm: ArmUpstream, *usages: Mapping[str, Any] | None) -> float | None:
    """Return the cost of an answer: what the upstream says, else at the pool's prices.

    Parameters
    ----------
    arm : ArmUpstream
    *usages : mapping or None
        Of each call. Those of unknown cost are not counted; None if none is known.
    """
    bills = [_bill_usd(arm, TokenUsage.from_json(usage)) for usage in usages]
    known = [bill for bill in bills if bill is not None]
    return sum(known) if known else None


def _bill_usd(arm: ArmUpstream, usage: TokenUsage) -> float | None:
    """Return the cost of one call, that of choosing among several samples included."""
    bill, resampling = bill_usd(arm.price, usage), arm.price.resampling if arm.price else None
    if usage.cost_usd is None or resampling is None or arm.arm.n_samples == 1:
        return bill  # the price of a token of the arm includes the selector's
    n_tokens = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
    return usage.cost_usd + n_tokens * resampling.selector_usd_per_mtok / 1e6


def scope_metadata(arm: ArmUpstream, *usages: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the field ``scope`` of a body or of a stream's last chunk."""
    return {"model": arm.name, "cost_usd": cost_usd(arm, *usages)}
