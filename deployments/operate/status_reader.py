"""Read the status of a running application, again and again."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from deployments.operate.cluster_client import ClusterClient, EndpointClient, endpoint_url
from deployments.operate.metric_samples import MetricInterval, MetricSamples, parse_metrics
from deployments.operate.service_state import DeploymentState, ServiceState
from deployments.operate.status import ClusterStatus, DeploymentStatus, Versions
from deployments.operate.traffic import Traffic, open_breakers
from scope.errors import ClusterError, ConfigError, ScopeError, one_line
from scope.upstream import variable_in_words, variable_problem

MAX_SCRAPES = 16
"""Nodes that are asked at once."""

T = TypeVar("T")


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
        budgets = [value for _, value in samples.series("scope_budget_usd_per_day")]
        budget_usd = max((value for value in budgets if not math.isnan(value)), default=None)
        status = ClusterStatus(
            time.time(),
            self._cluster.address,
            url,
            service,
            tuple(_load(state, samples, service.name) for state in service.deployments),
            Traffic.between(MetricInterval(before, samples)) if before else None,
            samples.total("scope_spend_today_usd"),
            budget_usd,  # of the replicas, which all have the same
            bool(budgets) and budget_usd is None,
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
        If the variable is not set, or the text is no name of a variable.
    """
    if variable is None:
        return None
    if problem := variable_problem(variable):
        raise ConfigError(f"--key-variable is {problem}")
    if not (key := environ.get(variable, "").strip()):
        raise ConfigError(
            f"--key-variable: {variable_in_words(variable)} is not set; export the key in it"
        )
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


def _explain(status: ClusterStatus, unknown: dict[str, str]) -> None:
    """Add why values are unknown that the metrics lack."""
    if status.traffic is None:
        unknown["traffic"] = "rates need two scrapes; they come in some seconds"
    elif status.traffic.n_requests is None:
        unknown["traffic"] = "the Router has not exported metrics yet; it does every 10 s"
    if status.spend_today_usd is None:
        unknown["spend_today_usd"] = "no replica exports its spend yet"
    if status.budget_usd_per_day is None and not status.has_no_budget:
        unknown["budget_usd_per_day"] = "no replica exports its budget yet"
    if not status.versions.replicas:
        unknown["versions"] = "no replica exports its versions yet"
