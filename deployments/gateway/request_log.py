"""Records of finished requests: metrics, the decision log, and the replica's own log."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from deployments.gateway.request_context import RequestContext
from deployments.settings import PREHOC
from deployments.telemetry import DecisionLog, LogSettings, RecentDecision, RecentDecisions
from deployments.telemetry.metrics import Metrics
from deployments.upstream import UpstreamRegistry
from scope.routing import finite_or_none

log = logging.getLogger("ray.serve")


class LogFiles(NamedTuple):
    """The files of one replica, all in one folder."""

    decisions: DecisionLog
    feedback: DecisionLog

    @property
    def failed(self) -> int:
        """Lines that could not be written."""
        return self.decisions.failed + self.feedback.failed

    def close(self) -> None:
        """Close both; a later line starts another file."""
        self.decisions.close()
        self.feedback.close()


class RequestLog:
    """Records the finished requests of one replica, and the scores of its decisions.

    Parameters
    ----------
    bank : str
        Version of the bank.
    replica : str
        Unique name of the replica.
    upstreams : UpstreamRegistry
    metrics : Metrics

    Attributes
    ----------
    recent : RecentDecisions
        The decisions that may be given a score.
    """

    def __init__(
        self, bank: str, replica: str, upstreams: UpstreamRegistry, metrics: Metrics
    ) -> None:
        self._bank, self._replica = bank, replica
        self._upstreams, self._metrics = upstreams, metrics
        self._files = self.make_files(LogSettings())
        self.recent = RecentDecisions()

    def make_files(self, settings: LogSettings) -> LogFiles:
        """Return files for `replace_files`.

        Raises
        ------
        ConfigError
            If their folder cannot be written.
        """
        return LogFiles(
            DecisionLog(settings, self._replica),
            DecisionLog(settings, self._replica, kind="feedback"),
        )

    def replace_files(self, files: LogFiles) -> None:
        """Close the current files and write to others."""
        self.close()
        self._files = files

    def close(self) -> None:
        """Close the files."""
        self._files.close()

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
            self._files.decisions.write(record)
        self._metrics.set_unlogged(self._files.failed)
        self._remember(context)
        self._log(context)

    def record_feedback(
        self,
        decision_id: str,
        decision: RecentDecision,
        score: float,
        texts: Mapping[str, str | None],
    ) -> None:
        """Record the first score of a decision, with the label and the comment in `texts`."""
        self._metrics.count_feedback(decision, score)
        self._files.feedback.write(
            {
                "kind": "feedback",
                "id": decision_id,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "key": decision.client,
                "model": decision.model,
                "p_correct": decision.p_correct,
                "score": score,
                **texts,
            }
        )
        self._metrics.set_unlogged(self._files.failed)

    def _remember(self, context: RequestContext) -> None:
        """Remember the decisions, with the probability that their model's answer is correct."""
        for decision in context.decisions:
            model = context.answer.model if context.answer else decision.model
            candidate = decision.candidate(model) if decision.strategy == PREHOC else None
            p_correct = finite_or_none(candidate.p_correct) if candidate else None
            self.recent.put(decision.id, RecentDecision(context.client, model, p_correct))

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
