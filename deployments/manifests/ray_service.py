"""A RayService: its Serve configuration against the pods that run it."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.checks.findings import Mistake, as_list, as_mapping, as_number, dotted, get_in
from deployments.checks.timeouts import POD_TERMINATION_S, longest_shutdown_s
from deployments.manifests.capacity import capacity_mistakes, workers_of
from deployments.manifests.kuberay import groups, worker_groups

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SERVE_PORT = 8000


def served_mistakes(document: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield mistakes in the Serve configuration of a RayService.

    Parameters
    ----------
    document : Mapping
        The RayService.
    config : Mapping
        Its ``serveConfigV2``, to which the paths belong.
    """
    http = as_mapping(config.get("http_options"))
    if str(http.get("host", "0.0.0.0")) in LOOPBACK:
        message = f"http_options.host is {http['host']}: no other pod reaches the endpoint"
        yield Mistake(("http_options", "host"), message, "set 0.0.0.0, and API keys")
    location = config.get("proxy_location", "EveryNode")
    if location != "EveryNode":
        message = (
            f"proxy_location is {location}: KubeRay asks the proxy of each worker whether it is "
            "ready, and no worker has one"
        )
        yield Mistake(("proxy_location",), message, "set it to EveryNode")
    if workers := workers_of(document):
        yield from capacity_mistakes(config, workers)


def pod_rules(document: Mapping[str, Any], config: Mapping[str, Any] | None) -> Iterator[Mistake]:
    """Yield mistakes in the pods of a RayService, given its Serve configuration if it has one."""
    if config is not None:
        yield from _termination(document, config)
        yield from _ports(document, config)
    for path, _ in worker_groups(document):
        containers = as_list(get_in(document, (*path, "template", "spec", "containers")))
        field = (*path, "template", "spec", "containers", 0, "resources")
        resources = as_mapping(as_mapping(containers[0] if containers else None).get("resources"))
        limits = as_mapping(resources.get("limits"))
        for unit in ("cpu", "memory"):
            if containers and unit not in limits:
                message = f"{dotted(document, field)} limits no {unit}"
                yield Mistake(
                    field, f"{message}: Ray counts what the machine has", f"add limits.{unit}"
                )


def _termination(document: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Mistake]:
    longest_s, name = longest_shutdown_s(config)
    for path, group in worker_groups(document):
        field = (*path, "template", "spec", "terminationGracePeriodSeconds")
        grace_s = as_number(
            get_in(group, ("template", "spec", "terminationGracePeriodSeconds")), POD_TERMINATION_S
        )
        if grace_s is not None and grace_s <= longest_s:
            message = (
                f"{dotted(document, field)} is {grace_s:g}, and {name} may take "
                f"graceful_shutdown_timeout_s, {longest_s:g} s: Kubernetes breaks off its requests"
            )
            yield Mistake(field, message, f"set it above {longest_s:g}")


def _ports(document: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield a port ``serve`` of a container on which Serve does not listen."""
    port = as_mapping(config.get("http_options")).get("port", SERVE_PORT)
    for path, _ in groups(document):
        spec = (*path, "template", "spec", "containers")
        for i, container in enumerate(as_list(get_in(document, spec))):
            for j, entry in enumerate(as_list(as_mapping(container).get("ports"))):
                named = as_mapping(entry)
                if named.get("name") == "serve" and named.get("containerPort", port) != port:
                    field = (*spec, i, "ports", j, "containerPort")
                    message = f"{dotted(document, field)} is {named.get('containerPort')}, and "
                    message += f"Serve listens on http_options.port, {port}"
                    yield Mistake(field, message, f"set it to {port}")
