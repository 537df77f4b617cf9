"""What is told of requests that are over: metrics, the decision log, and the replica's own log."""

import logging

from deployments.gateway.request_context import RequestContext
from deployments.telemetry import DecisionLog, LogSettings
from deployments.telemetry.metrics import Metrics
from deployments.upstream import UpstreamRegistry
from scope.routing import finite_or_none

log = logging.getLogger("ray.serve")


class RequestLog:
    """The books of one replica.

    Parameters
    ----------
    bank : str
        Version of the bank.
    replica : str
        Name of the replica, like no other's.
    upstreams : UpstreamRegistry
    meters : Metrics
    """

    def __init__(
        self, bank: str, replica: str, upstreams: UpstreamRegistry, meters: Metrics
    ) -> None:
        self._bank, self._replica = bank, replica
        self._upstreams, self._meters = upstreams, meters
        self._decisions = DecisionLog(LogSettings(), replica)

    def make_decision_log(self, settings: LogSettings) -> DecisionLog:
        """Return a decision log, for `keep`.

        Raises
        ------
        ConfigError
            If nobody may write there.
        """
        return DecisionLog(settings, self._replica)

    def replace_decision_log(self, decisions: DecisionLog) -> None:
        """Write to another decision log from now on."""
        self.close()
        self._decisions = decisions

    def close(self) -> None:
        """Let go of the file."""
        self._decisions.close()

    def record(self, exchange: RequestContext) -> None:
        """Enter a request; one that was refused before any decision leaves only its status."""
        if not exchange.decisions:
            return
        self._meters.count_decisions(exchange.decisions, exchange.overhead_s)
        answer = exchange.answer
        if answer is not None:
            self._meters.observe("upstream", exchange.upstream_s)
            self._meters.count_attempts(answer.attempts, self._upstreams)
            candidate = exchange.decisions[0].candidate(answer.model)
            predicted_usd = finite_or_none(candidate.cost_usd) if candidate else None
            self._meters.count_cost(answer.model, predicted_usd, answer.cost_usd)
        for record in exchange.log_records(self._bank):
            self._decisions.write(record)
        self._meters.set_unlogged(self._decisions.failed)
        self._log(exchange)

    def _log(self, exchange: RequestContext) -> None:
        """Log a request that did not go as it should; the others only where DEBUG is on.

        A line on standard error passes through four processes of Ray: for every request that
        would be a fifth of all the work.
        """
        first, answer = exchange.decisions[0], exchange.answer
        failed = [one for one in (answer.attempts if answer else ()) if one.outcome != "ok"]
        well = first.degraded is None and not failed
        told = {
            "decision_id": first.id,
            "model": exchange.model,
            "degraded": first.degraded,
            "failed": [f"{one.model}: {one.outcome}" for one in failed],
            "overhead_ms": round(1e3 * exchange.overhead_s, 1),
        }
        level = logging.DEBUG if well else logging.INFO
        log.log(level, "%s: %d decided", exchange.endpoint, len(exchange.decisions), extra=told)
