"""Roll a bank: shift to it, watch what happens, go back when a limit is broken."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from deployments.editing import KeyPath, edit_config, read_source, write_text
from deployments.operate.cluster_client import ClusterClient
from deployments.operate.journal import Phase, RolloutJournal, RolloutRecord
from deployments.operate.metric_samples import MetricInterval, MetricSamples
from deployments.operate.service_state import DeploymentState, ServiceState
from deployments.operate.status_reader import StatusReader
from deployments.operate.traffic import Traffic
from deployments.operate.watch_limits import Baseline, broken_limit, describe_watch
from scope.errors import ClusterError

POLL_S = 2.0
SCRAPE_S = 6.0
REPORT_S = 30.0
N_PROBES = 3
"""Probes in a row that must be answered by the wanted bank."""
OUTAGE_S = 60.0
"""How long a dashboard or an endpoint may not answer, as while a head restarts."""

T = TypeVar("T")


class BankRollout:
    """A rollout in progress.

    Parameters
    ----------
    cluster : ClusterClient
    reader : StatusReader
        Of the same cluster.
    journal : RolloutJournal
    record : RolloutRecord
        Stored before every step, so that a killed rollout can be finished or undone.
    say : callable
        Takes one sentence about the progress.
    """

    def __init__(
        self,
        cluster: ClusterClient,
        reader: StatusReader,
        journal: RolloutJournal,
        record: RolloutRecord,
        say: Callable[[str], None],
    ) -> None:
        self._cluster, self._reader, self._journal = cluster, reader, journal
        self.record, self._say = record, say

    def roll(self) -> str | None:
        """Shift to the new bank and watch it; return why it was rolled back, or None.

        A ctrl-c rolls back.

        Raises
        ------
        ClusterError
            If the cluster does not answer, so that nothing can be done; the journal stays.
        """
        try:
            why = self._shift() or self._watch()
        except KeyboardInterrupt:
            why = "it was interrupted"
        if why is None:
            self._finish()
        else:
            self.back(why)
        return why

    def resume(self) -> str | None:
        """Go on where a killed rollout ended; return why it was rolled back, or None."""
        if self.record.phase == "rolling back":
            why = self.record.why or "it was rolling back when it was killed"
            self.back(why)
            return why
        if self.record.phase == "writing":
            self._finish()
            return None
        return self.roll()

    def back(self, why: str) -> None:
        """Deploy the previous configuration and wait until its bank answers again.

        Raises
        ------
        ClusterError
            If it does not within the time that replicas have to start; the journal stays.
        """
        self._enter("rolling back", why=why)
        self._say(f"rolling back to {self.record.old_bank}: {why}")
        self._retry(lambda: self._cluster.deploy(self.record.previous))
        stuck = self._wait(self._old_is_back, self.record.old_version)
        if stuck is not None:
            raise ClusterError(
                f"the previous bank is deployed but does not answer yet: {stuck}; "
                "run `scope rollout --back` again, or see `scope status`"
            )
        self._enter("rolled back", why=why)

    def _shift(self) -> str | None:
        """Deploy the new bank; return why that failed, or None once it alone answers."""
        record = self.record
        self._enter("shifting")
        self._say(f"bringing up {record.new_bank} ({record.new_version}) beside the old one")
        self._retry(lambda: self._cluster.deploy(self._reader.service().with_bank(record.new_bank)))
        began_at = time.monotonic()
        why = self._wait(self._new_is_up, record.new_version)
        if why is None:
            self._say(f"all replicas run the new bank after {time.monotonic() - began_at:.0f} s")
        return why

    def _watch(self) -> str | None:
        """Watch the new bank; return which limit it broke, or None."""
        terms, baseline = self.record.terms, Baseline.from_json(dict(self.record.baseline))
        self._enter("watching")
        self._say(f"watching for {terms.watch_s:.0f} s; {baseline}")
        start = self._reader.scrape()
        ready_at = scraped_at = shown_at = time.monotonic()
        ends_at = ready_at + terms.watch_s
        while (now_s := time.monotonic()) < ends_at:
            time.sleep(min(POLL_S, ends_at - now_s))
            service = self._retry(self._reader.service)
            if service.is_failed:
                return f"the application is {service.state}: {_reason(service)}"
            if self._answers(service, self.record.new_version):
                ready_at = time.monotonic()
            elif time.monotonic() - ready_at > OUTAGE_S:
                return f"/ready has not said ready for {OUTAGE_S:.0f} s"
            if time.monotonic() < min(scraped_at + SCRAPE_S, ends_at):
                continue
            scraped_at, seen = time.monotonic(), self._since(start)
            if why := broken_limit(terms.limits, baseline, seen):
                return why
            if scraped_at > min(shown_at + REPORT_S, ends_at):
                shown_at = scraped_at
                self._say(describe_watch(seen, baseline))
        return None

    def _since(self, start: MetricSamples) -> Traffic:
        return Traffic.between(MetricInterval(start, self._reader.scrape()))

    def _finish(self) -> None:
        """Write the bank to the configuration file, and close the journal."""
        self._enter("writing")
        if (config := self.record.terms.config) is not None:
            path = Path(config)
            changes: dict[KeyPath, str] = {("args", "bank"): self.record.new_bank}
            write_text(edit_config(read_source(path), changes, config), path, mode_of=path)
            self._say(f"args.bank of {config} is {self.record.new_bank}")
        self._enter("done")

    def _wait(self, reached: Callable[[ServiceState], bool], version: str) -> str | None:
        """Wait for a state in which the endpoint answers with a bank; return what is missing."""
        ends_at = time.monotonic() + self.record.terms.start_s
        n_answered, missing = 0, "the endpoint does not say that it is ready"
        while time.monotonic() < ends_at:
            service = self._retry(self._reader.service)
            if service.is_failed and self.record.phase == "shifting":
                return f"the application is {service.state}: {_reason(service)}"
            if not reached(service):
                n_answered, missing = 0, _progress(service)
            elif self._answers(service, version):
                n_answered += 1
                if n_answered == N_PROBES:
                    return None
            else:
                n_answered, missing = 0, "the endpoint does not say that it is ready"
            time.sleep(POLL_S if n_answered == 0 else POLL_S / 4)
        return f"not ready after {self.record.terms.start_s:.0f} s: {missing}"

    def _new_is_up(self, service: ServiceState) -> bool:
        is_old_left = service.replica_ids & frozenset(self.record.old_replicas)
        return service.bank == self.record.new_bank and not is_old_left and _is_settled(service)

    def _old_is_back(self, service: ServiceState) -> bool:
        return service.bank == self.record.old_bank and _is_settled(service)

    def _answers(self, service: ServiceState, version: str) -> bool:
        """Whether ``/ready`` says ready, with this bank."""
        try:
            with self._reader.endpoint(service) as client:
                state = client.ready()
        except ClusterError:
            return False
        return state["status"] == "ready" and state.get("bank") == version

    def _retry(self, call: Callable[[], T]) -> T:
        """Call the cluster, and again while it does not answer, as while its head restarts."""
        ends_at = time.monotonic() + OUTAGE_S
        while True:
            try:
                return call()
            except ClusterError:
                if time.monotonic() >= ends_at:
                    raise
                time.sleep(POLL_S)

    def _enter(self, phase: Phase, why: str | None = None) -> None:
        changes = {"phase": phase} | ({"why": why} if why is not None else {})
        self.record = self.record.model_copy(update=changes)
        self._journal.write(self.record)


def measure_baseline(reader: StatusReader, before: MetricSamples, seconds: float) -> Baseline:
    """Return what happened since a scrape, at least so many seconds ago.

    A quiet endpoint is judged by all that its replicas have counted since they started.
    """
    time.sleep(max(0.0, before.at_s + seconds - time.monotonic()))
    after = reader.scrape()
    recent = Baseline.of(Traffic.between(MetricInterval(before, after)))
    if recent.p95_ms is not None:
        return recent
    ever = MetricSamples(before.at_s)
    return Baseline.of(Traffic.between(MetricInterval(ever, after)))


def baseline_json(baseline: Baseline) -> dict[str, float | None]:
    """Return a baseline as a journal holds it."""
    return asdict(baseline)


def _is_settled(service: ServiceState) -> bool:
    """Whether every deployment has the replicas that it wants, and no other."""
    return service.state == "RUNNING" and all(map(_has_replicas, service.deployments))


def _has_replicas(state: DeploymentState) -> bool:
    return (
        state.state == "HEALTHY"
        and state.running == state.wanted
        and not state.replicas.get("STARTING", 0)
    )


def _progress(service: ServiceState) -> str:
    """Return what is not as it should be."""
    rows = [
        f"{state.name} has {state.running} of {state.wanted} replicas"
        for state in service.deployments
        if not _has_replicas(state)
    ]
    return "; ".join(rows) or f"the application is {service.state}"


def _reason(service: ServiceState) -> str:
    """Return the messages of the application and of its deployments, their ends."""
    messages = [service.message, *(state.message for state in service.deployments)]
    return " ".join(message[-300:] for message in messages if message) or "no reason is given"
