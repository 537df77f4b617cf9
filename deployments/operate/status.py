"""What is going on: the state of a running application, from all that can be asked."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from deployments.operate.cluster_client import ClusterClient, EndpointClient, endpoint_url
from deployments.operate.metric_samples import MetricInterval, MetricSamples, parse_metrics
from deployments.operate.service_state import DeploymentState, ServiceState
from deployments.operate.traffic import Traffic, open_breakers
from scope.errors import ClusterError, ConfigError, ScopeError, one_line

MAX_SCRAPES = 16
"""Nodes that are asked at once."""

T = TypeVar("T")


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


class StatusReader:
    """Reads the state of an application, again and again.

    Parameters
    ----------
    cluster : ClusterClient
    endpoint : str, optional
        URL; else the one that Serve listens at, where it can be reached from here.
    key : str, optional
        API key of a client of the endpoint.
    check : callable, optional
        Returns the findings on a configuration; called when the deployed one changes.
    """

    def __init__(
        self,
        cluster: ClusterClient,
        *,
        endpoint: str | None = None,
        key: str | None = None,
        check: Callable[[Mapping[str, Any]], Sequence[str]] = lambda _: (),
    ) -> None:
        self._cluster, self._endpoint, self._key, self._check = cluster, endpoint, key, check
        self._checked: tuple[Mapping[str, Any], tuple[str, ...]] | None = None

    def service(self) -> ServiceState:
        """Return what Serve says.

        Raises
        ------
        ClusterError
            If the dashboard does not answer, or Serve runs no application of ours.
        """
        return ServiceState.from_details(self._cluster.serve_details(), self._cluster.address)

    def scrape(self) -> MetricSamples:
        """Return the metrics of all nodes; a node that does not answer is named in them."""
        try:
            targets = self._cluster.metrics_targets()
        except ClusterError as error:
            return MetricSamples(time.monotonic(), {}, (str(error),))
        with ThreadPoolExecutor(MAX_SCRAPES) as pool:
            answers = list(pool.map(lambda target: _try(self._cluster.metrics, target), targets))
        texts = [text for text, _ in answers if text is not None]
        silent = tuple(why for _, why in answers if why is not None)
        return MetricSamples(time.monotonic(), parse_metrics(texts), silent)

    def endpoint(self, service: ServiceState) -> EndpointClient:
        """Return a client of the endpoint.

        Raises
        ------
        ConfigError
            If it listens at an address that only its own machine sees.
        """
        url = self._endpoint or endpoint_url(service.details, self._cluster.address)
        if url is None:
            raise ConfigError(
                "the endpoint listens where only its own machine reaches it; "
                "name a URL by --endpoint"
            )
        return EndpointClient(url, self._key)

    def read(self, before: MetricSamples | None = None) -> tuple[ClusterStatus, MetricSamples]:
        """Return the state now, with the traffic since `before`, and the metrics it rests on.

        Raises
        ------
        ClusterError
            As `service`.
        """
        service, samples = self.service(), self.scrape()
        unknown = {f"metrics {n}": why for n, why in enumerate(samples.silent, start=1)}
        url, ready, models = self._ask_endpoint(service, unknown)
        status = ClusterStatus(
            time.time(),
            self._cluster.address,
            url,
            service,
            tuple(_load(state, samples, service.name) for state in service.deployments),
            Traffic.between(MetricInterval(before, samples)) if before else None,
            samples.total("scope_spend_today_usd"),
            _budget_usd(samples),
            Versions.from_samples(samples, service),
            open_breakers(samples),
            ready,
            models,
            self._findings(service),
            unknown,
        )
        _explain(status, unknown)
        return status, samples

    def _ask_endpoint(
        self, service: ServiceState, unknown: dict[str, str]
    ) -> tuple[str | None, Mapping[str, str] | None, tuple[str, ...] | None]:
        try:
            client = self.endpoint(service)
        except ConfigError as error:
            unknown["ready"] = unknown["models"] = str(error)
            return None, None, None
        with client:
            ready, unready = _try(lambda _: client.ready(), "")
            models, unlisted = _try(lambda _: client.models(), "")
        if unready is not None:
            unknown["ready"] = unready
        if unlisted is not None:
            unknown["models"] = unlisted
        return client.url, ready, models

    def _findings(self, service: ServiceState) -> tuple[str, ...]:
        if self._checked is None or self._checked[0] != service.config:
            try:
                found = tuple(self._check(service.serve_config()))
            except ScopeError as error:
                found = (one_line(error),)
            self._checked = service.config, found
        return self._checked[1]


def api_key(variable: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the API key in an environment variable; None without a name.

    Raises
    ------
    ConfigError
        If the variable is not set.
    """
    if variable is None:
        return None
    if not (key := environ.get(variable, "").strip()):
        raise ConfigError(f"--key-variable is {variable}, which is not set; export the key in it")
    return key


def _try(call: Callable[[str], T], argument: str) -> tuple[T | None, str | None]:
    """Return an answer, or why there is none."""
    try:
        return call(argument), None
    except ClusterError as error:
        return None, str(error)


def _load(state: DeploymentState, samples: MetricSamples, application: str) -> DeploymentStatus:
    of_it = {"application": application, "deployment": state.name}
    return DeploymentStatus(
        state,
        samples.total("serve_deployment_queued_queries", **of_it),
        samples.total("serve_replica_processing_queries", **of_it),
    )


def _budget_usd(samples: MetricSamples) -> float | None:
    """Return the highest budget that a replica reports: all have the same one."""
    budgets = [value for _, value in samples.series("scope_budget_usd_per_day")]
    return max((value for value in budgets if not math.isnan(value)), default=None)


def _explain(status: ClusterStatus, unknown: dict[str, str]) -> None:
    """Add why values are unknown that the metrics lack."""
    if status.traffic is None:
        unknown["traffic"] = "rates need two scrapes"
    elif status.traffic.n_requests is None:
        unknown["traffic"] = "the Router has not exported metrics yet; it does every 10 s"
    if status.spend_today_usd is None:
        unknown["spend_today_usd"] = "no replica exports its spend yet"
    if status.budget_usd_per_day is None:
        unknown["budget_usd_per_day"] = "no budget is set (spend: budget_usd_per_day)"
    if not status.versions.replicas:
        unknown["versions"] = "no replica exports its versions yet"


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
