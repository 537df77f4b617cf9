"""What is going on: the state of a running application at one moment."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deployments.operate.metric_samples import MetricSamples
from deployments.operate.service_state import DeploymentState, ServiceState
from deployments.operate.traffic import Traffic


@dataclass(frozen=True, slots=True)
class ReplicaVersions:
    """Versions that a replica of the Router says are in force."""

    replica: str
    bank: str
    policy: str
    settings: str


@dataclass(frozen=True, slots=True)
class Versions:
    """What the replicas run with.

    Attributes
    ----------
    bank_folder : str
        That is deployed.
    replicas : tuple of ReplicaVersions
        Empty where the metrics have none.
    n_rejecting : int or None
        Replicas of the Router that reject the latest settings.
    """

    bank_folder: str
    replicas: tuple[ReplicaVersions, ...]
    n_rejecting: int | None

    @property
    def differ(self) -> bool:
        """Whether two replicas run with different versions."""
        return len({(row.bank, row.policy, row.settings) for row in self.replicas}) > 1

    @classmethod
    def from_samples(cls, samples: MetricSamples, service: ServiceState) -> "Versions":
        """Read them from the metrics of replicas that still live."""
        living = service.replica_ids
        rows = [
            ReplicaVersions(
                labels.get("replica", ""),
                labels.get("bank", ""),
                labels.get("policy", ""),
                labels.get("settings", ""),
            )
            for labels, value in samples.series("scope_info")
            if value == 1 and labels.get("replica") in living
        ]
        rejected = [
            value
            for labels, value in samples.series("scope_settings_rejected")
            if labels.get("replica") in living
        ]
        n_rejecting = int(sum(rejected)) if rejected else None
        return cls(service.bank, tuple(sorted(rows, key=lambda row: row.replica)), n_rejecting)


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """A deployment with its load; None is unknown."""

    state: DeploymentState
    queued: float | None
    ongoing: float | None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The state of an application at one moment.

    Attributes
    ----------
    at_s : float
        Unix time.
    dashboard : str
    endpoint : str or None
    service : ServiceState
    deployments : tuple of DeploymentStatus
    traffic : Traffic or None
        None before a second scrape.
    spend_today_usd, budget_usd_per_day : float or None
    has_no_budget : bool
        Whether the replicas say that no budget is set; if not, a budget of None is unknown.
    versions : Versions
    open_breakers : mapping
        Upstream -> number of replicas at which its breaker is open.
    ready : mapping or None
        What ``/ready`` says.
    models : tuple of str or None
        What ``/v1/models`` lists.
    findings : tuple of str
        Of `scope check` on the configuration that is deployed.
    unknown : mapping
        What could not be found out -> why.
    """

    at_s: float
    dashboard: str
    endpoint: str | None
    service: ServiceState
    deployments: tuple[DeploymentStatus, ...]
    traffic: Traffic | None
    spend_today_usd: float | None
    budget_usd_per_day: float | None
    has_no_budget: bool
    versions: Versions
    open_breakers: Mapping[str, int]
    ready: Mapping[str, str] | None
    models: tuple[str, ...] | None
    findings: tuple[str, ...]
    unknown: Mapping[str, str]

    @property
    def is_healthy(self) -> bool:
        """Whether the application answers as it should, as far as is known."""
        is_ready = self.ready is None or self.ready["status"] == "ready"
        return is_ready and not self.service.is_failed

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; unknown is null."""
        service, traffic = self.service, self.traffic
        return {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.at_s)),
            "healthy": self.is_healthy,
            "dashboard": self.dashboard,
            "endpoint": self.endpoint,
            "application": {
                "name": service.name,
                "state": service.state,
                "message": service.message,
                "deployed_at_s": service.deployed_at_s,
            },
            "deployments": [_deployment_json(row) for row in self.deployments],
            "traffic": traffic and _traffic_json(traffic),
            "spend_today_usd": self.spend_today_usd,
            "budget_usd_per_day": self.budget_usd_per_day,
            "versions": {**asdict(self.versions), "differ": self.versions.differ},
            "open_breakers": dict(self.open_breakers),
            "ready": self.ready and dict(self.ready),
            "models": self.models and list(self.models),
            "findings": list(self.findings),
            "unknown": dict(self.unknown),
        }


def _deployment_json(row: DeploymentStatus) -> dict[str, Any]:
    state = row.state
    return {
        "name": state.name,
        "state": state.state,
        "message": state.message,
        "replicas_wanted": state.wanted,
        "replicas_running": state.running,
        "replicas": dict(state.replicas),
        "recently_dead": state.n_recently_dead,
        "queued": row.queued,
        "ongoing": row.ongoing,
    }


def _traffic_json(traffic: Traffic) -> dict[str, Any]:
    return {
        "interval_s": round(traffic.seconds, 1),
        "requests_per_s": traffic.requests_per_s,
        "share_4xx": traffic.share_4xx,
        "share_5xx": traffic.share_5xx,
        "latency_ms": {
            row.stage: {"p50": row.p50_ms, "p95": row.p95_ms} for row in traffic.latencies
        },
        "n_decisions": traffic.n_decisions,
        "degraded_share": traffic.degraded_share,
        "degraded_reasons": dict(traffic.degraded_reasons),
        "out_of_distribution_share": traffic.out_of_distribution,
    }
