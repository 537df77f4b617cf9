"""Records of finished requests: metrics, the decision log, and the replica's own log."""

import logging

from deployments.gateway.request_context import RequestContext
from deployments.telemetry import DecisionLog, LogSettings
from deployments.telemetry.metrics import Metrics
from deployments.upstream import UpstreamRegistry
from scope.routing import finite_or_none

log = logging.getLogger("ray.serve")


class RequestLog:
    """Records the finished requests of one replica.

    Parameters
    ----------
    bank : str
        Version of the bank.
    replica : str
        Unique name of the replica.
    upstreams : UpstreamRegistry
    metrics : Metrics
    """

    def __init__(
        self, bank: str, replica: str, upstreams: UpstreamRegistry, metrics: Metrics
    ) -> None:
        self._bank, self._replica = bank, replica
        self._upstreams, self._metrics = upstreams, metrics
        self._decisions = DecisionLog(LogSettings(), replica)

    def make_decision_log(self, settings: LogSettings) -> DecisionLog:
        """Return a decision log for `replace_decision_log`.

        Raises
        ------
        ConfigError
            If its folder cannot be written.
        """
        return DecisionLog(settings, self._replica)

    def replace_decision_log(self, decisions: DecisionLog) -> None:
        """Close the current decision log and write to another one."""
        self.close()
        self._decisions = decisions

    def close(self) -> None:
        """Close the decision log."""
        self._decisions.close()

    def record(self, context: RequestContext) -> None:
        """Record a request; one without a decision leaves only its status in the metrics."""
        if not context.decisions:
            return
        self._metrics.count_decisions(context.decisions, context.overhead_s)
        answer = context.answer
        if answer is not None:
            self._metrics.observe("upstream", context.upstream_s)
            self._metrics.count_attempts(answer.attempts, self._upstreams)
            if context.samples is not None:
                self._metrics.observe("select", context.samples.selector_s)
            candidate = context.decisions[0].candidate(answer.model)
            predicted_usd = finite_or_none(candidate.cost_usd) if candidate else None
            self._metrics.count_cost(answer.model, predicted_usd, answer.cost_usd)
        for record in context.log_records(self._bank):
            self._decisions.write(record)
        self._metrics.set_unlogged(self._decisions.failed)
        self._log(context)

    def _log(self, context: RequestContext) -> None:
        """Log a degraded request or a failed attempt at INFO, any other request at DEBUG.

        A line on standard error passes through four processes of Ray; one for every request
        would be a fifth of all the work.
        """
        first, answer = context.decisions[0], context.answer
        attempts = answer.attempts if answer else ()
        failed = [attempt for attempt in attempts if attempt.outcome != "ok"]
        fields = {
            "decision_id": first.id,
            "model": context.model,
            "degraded": first.degraded,
            "failed": [f"{attempt.model}: {attempt.outcome}" for attempt in failed],
            "overhead_ms": round(1e3 * context.overhead_s, 1),
        }
        level = logging.DEBUG if first.degraded is None and not failed else logging.INFO
        log.log(level, "%s: %d decided", context.endpoint, len(context.decisions), extra=fields)
