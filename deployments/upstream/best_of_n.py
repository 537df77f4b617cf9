"""Answer with the best of several samples of one model."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from deployments.tracing import span
from deployments.upstream.calls import complete
from deployments.upstream.client import UpstreamClient, UpstreamRequest
from deployments.upstream.errors import NOT_ATTEMPTED
from deployments.upstream.responses import UpstreamResponse, cost_usd, scope_metadata
from deployments.upstream.samples import (
    Completion,
    DrawnSamples,
    SampleReport,
    SamplingSettings,
    draw_samples,
    usage_of,
)
from deployments.upstream.selection import (
    SampleChoice,
    SampleSelector,
    prompt_text,
    reply_text,
)
from deployments.upstream.upstreams import ArmUpstream
from scope.upstream import UpstreamError

SELECTOR_SHARE = 0.25
"""Largest share of the time until the deadline that is kept for the selector."""


@dataclass(slots=True)
class BestOfN:
    """Draws the samples of an arm and chooses one of them.

    Attributes
    ----------
    client : UpstreamClient
        Open.
    selector : SampleSelector
    settings : SamplingSettings
        May be replaced at any time.
    """

    client: UpstreamClient
    selector: SampleSelector
    settings: SamplingSettings

    async def draw(self, arm: ArmUpstream, request: UpstreamRequest) -> DrawnSamples:
        """Return the samples of an arm; each holds a slot of the upstream."""
        left_s = request.left_s - self._selector_s(request)

        async def draw_one(index: int) -> Completion:
            sample = replace(_sample_request(request, index), left_s=left_s)
            return await complete(self.client, arm, sample)

        return await draw_samples(draw_one, arm.arm.n_samples, self.settings.grace_s)

    async def answer(
        self, arm: ArmUpstream, request: UpstreamRequest, drawn: DrawnSamples
    ) -> UpstreamResponse:
        """Return the best of the samples; its usage and cost are those of all of them.

        Raises
        ------
        UpstreamError
            The last error, if every sample failed.
        """
        if not drawn.completions:
            raise _worst(drawn)
        began_at = time.perf_counter()
        with span("select") as selection:
            choice = await self.selector.choose(
                prompt_text(request.body["messages"]),
                [reply_text(completion) for completion in drawn.completions.values()],
                timeout_s=self._selector_s(request),
            )
            selection.set({"scope.selector": choice.selector, "scope.degraded": choice.degraded})
        report = _report(drawn, choice, time.perf_counter() - began_at)
        usage = drawn.usage()
        body = dict(drawn.completions[report.chosen])
        if usage is not None:
            body["usage"] = usage
        usages = [usage_of(completion) for completion in drawn.completions.values()]
        body |= {"model": arm.name, "scope": scope_metadata(arm, *usages) | report.to_json()}
        cost = cost_usd(arm, *usages)
        return UpstreamResponse(200, body, {}, arm.name, usage, cost, samples=report)

    def _selector_s(self, request: UpstreamRequest) -> float:
        if self.selector.reward is None:
            return 0.0
        return min(self.settings.selector_ms / 1e3, SELECTOR_SHARE * request.left_s)


def _sample_request(request: UpstreamRequest, index: int) -> UpstreamRequest:
    """Return the request of one sample: a key or seed that all share would give one answer."""
    headers: Mapping[str, str] = request.headers
    if key := headers.get("idempotency-key"):
        headers = {**headers, "idempotency-key": f"{key}-{index}"}
    body: Mapping[str, Any] = request.body
    if isinstance(seed := body.get("seed"), int):
        body = {**body, "seed": seed + index}
    return replace(request, body=body, headers=headers)


def _report(drawn: DrawnSamples, choice: SampleChoice, selector_s: float) -> SampleReport:
    """Return the report; positions among the answers become indices of samples."""
    indices = list(drawn.completions)
    scores = None
    if choice.scores is not None:
        by_index = dict(zip(indices, choice.scores, strict=True))
        known = [by_index.get(index, math.nan) for index in range(drawn.n_samples)]
        scores = tuple(None if math.isnan(score) else score for score in known)
    return SampleReport(
        drawn.counts,
        indices[choice.position],
        choice.selector,
        scores,
        selector_s,
        choice.degraded,
    )


def _worst(drawn: DrawnSamples) -> UpstreamError:
    """Return the error of an arm all of whose samples failed: one of a call, if any was made."""
    return max(
        drawn.errors, key=lambda error: (error.is_client_error, error.kind not in NOT_ATTEMPTED)
    )
