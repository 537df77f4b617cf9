"""Replicas and their resources against the workers of a RayService."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployments.checks.application import applications_of
from deployments.checks.findings import (
    Keys,
    Level,
    Mistake,
    as_list,
    as_mapping,
    as_number,
    get_in,
)
from deployments.checks.queues import Block, blocks_of
from deployments.manifests.kuberay import worker_groups
from deployments.replicas.engine import DEPLOYMENT_NAME

UNITS = ("CPU", "GPU", "memory")
AUTO_REPLICAS = 100.0
"""What Serve makes of ``num_replicas: auto``."""

QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|[kKMGTP]i?|)")
SCALES = {"": 1.0, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
NVIDIA = "nvidia.com/gpu"


class Demand(NamedTuple):
    """What the replicas of one deployment need."""

    name: str
    path: Keys
    """Of the field that bounds their number."""
    size_path: Keys
    """Of the field that says what one needs."""
    least: float
    most: float
    node: dict[str, float]
    """Resources that one replica needs on one node."""
    total: dict[str, float]
    """Resources of one replica, over all nodes."""


class Workers(NamedTuple):
    """One worker group."""

    path: Keys
    name: str
    most: float
    node: dict[str, float | None]
    """Resources of one pod; None: not limited in the manifest."""


def quantity(value: object) -> float | None:
    """Return a quantity of Kubernetes as a number; None if it is none.

    Examples
    --------
    >>> quantity("500m"), quantity("2"), quantity("1Gi"), quantity("much")
    (0.5, 2.0, 1073741824.0, None)
    """
    match = QUANTITY.fullmatch(str(value))
    return float(match[1]) * (SCALES | BINARY)[match[2]] if match else None


def workers_of(document: Mapping[str, Any]) -> list[Workers]:
    """Return the worker groups of one of KubeRay's objects."""
    found = []
    for path, group in worker_groups(document):
        most = as_number(group.get("maxReplicas"), as_number(group.get("replicas"), 1.0)) or 0.0
        hosts = as_number(group.get("numOfHosts"), 1.0) or 1.0
        node = {unit: _of_pod(group, unit) for unit in UNITS}
        found.append(Workers(path, str(group.get("groupName")), most * hosts, node))
    return found


def _of_pod(group: Mapping[str, Any], unit: str) -> float | None:
    """Return what Ray counts on a worker: the group's resources, its start, else the limits."""
    params = as_mapping(group.get("rayStartParams"))
    declared = as_mapping(group.get("resources")).get(unit)
    started = params.get("memory" if unit == "memory" else f"num-{unit.lower()}s")
    for value in (declared, started):
        if value is not None:
            return quantity(value)
    container = as_list(get_in(group, ("template", "spec", "containers")))[:1]
    resources = as_mapping(as_mapping(container[0] if container else None).get("resources"))
    key = {"CPU": "cpu", "GPU": NVIDIA, "memory": "memory"}[unit]
    for section in ("limits", "requests"):
        value = as_mapping(resources.get(section)).get(key)
        if value is not None:
            return quantity(value)
    return 0.0 if unit == "GPU" else None


def demands_of(config: Mapping[str, Any]) -> Iterator[Demand]:
    """Yield what each deployment of a Serve configuration needs."""
    engines = {
        app.field(DEPLOYMENT_NAME): app
        for app in applications_of(config)
        if app.args is not None and app.args.reasoner is not None
    }
    for block in blocks_of(config):
        app = engines.get(block.path)
        least, most, path = _counts(block)
        if app is not None and app.args is not None and app.args.reasoner is not None:
            engine = app.args.reasoner.engine
            total = {unit: n * engine.tensor_parallel for unit, n in engine.bundle.items()}
            size = (*app.path, "args", "reasoner", "engine", "tensor_parallel")
            yield Demand(block.name, path, size, least, most, total, total)
        else:
            yield _of_block(block, least, most, path)


def _counts(block: Block) -> tuple[float, float, Keys]:
    """Return the fewest and most replicas of a deployment, and the field that says so."""
    scaling, fixed = block.scaling, block.value.get("num_replicas")
    if fixed is not None and not scaling:
        n = AUTO_REPLICAS if fixed == "auto" else as_number(fixed, 1.0) or 1.0
        return (1.0 if fixed == "auto" else n), n, (*block.path, "num_replicas")
    least = as_number(scaling.get("min_replicas"), 1.0) or 0.0
    most = as_number(scaling.get("max_replicas"), 1.0) or 1.0
    return least, most, (*block.path, "autoscaling_config", "max_replicas")


def _of_block(block: Block, least: float, most: float, path: Keys) -> Demand:
    options = as_mapping(block.value.get("ray_actor_options"))
    bundles = [as_mapping(bundle) for bundle in as_list(block.value.get("placement_group_bundles"))]
    if bundles:
        total = {unit: sum(as_number(b.get(unit), 0.0) or 0.0 for b in bundles) for unit in UNITS}
        strict = block.value.get("placement_group_strategy") == "STRICT_PACK"
        largest = {unit: max(as_number(b.get(unit), 0.0) or 0.0 for b in bundles) for unit in UNITS}
        size = (*block.path, "placement_group_bundles")
        return Demand(block.name, path, size, least, most, total if strict else largest, total)
    node = {
        "CPU": as_number(options.get("num_cpus"), 1.0) or 0.0,
        "GPU": as_number(options.get("num_gpus"), 0.0) or 0.0,
        "memory": as_number(options.get("memory"), 0.0) or 0.0,
    }
    return Demand(block.name, path, (*block.path, "ray_actor_options"), least, most, node, node)


def capacity_mistakes(config: Mapping[str, Any], workers: list[Workers]) -> Iterator[Mistake]:
    """Yield replicas that no worker has room for, and more replicas than all of them hold.

    Parameters
    ----------
    config : Mapping
        A Serve configuration.
    workers : list of Workers
        The head has no CPUs for replicas.
    """
    fitting = []
    for demand in demands_of(config):
        if any(_has_room(group, demand.node) for group in workers):
            fitting.append(demand)
        else:
            yield _too_large(demand, workers)
    for unit in ("CPU", "GPU"):
        yield from _fits_the_cluster(fitting, workers, unit)
    yield from _engine_nodes(config, workers)


def _too_large(demand: Demand, workers: list[Workers]) -> Mistake:
    needs = _resources(demand.node)
    largest = ", ".join(f"{group.name} has {_resources(group.node)}" for group in workers)
    message = f"one replica of {demand.name} needs {needs}, and no worker has that ({largest})"
    return Mistake(demand.size_path, message, "lower it, or give a worker more")


def _has_room(group: Workers, needs: Mapping[str, float]) -> bool:
    limits = {unit: group.node.get(unit) for unit in needs}
    return all(limit is None or needs[unit] <= limit for unit, limit in limits.items())


def _fits_the_cluster(
    demands: list[Demand], workers: list[Workers], unit: str
) -> Iterator[Mistake]:
    """Yield a mistake if the cluster at its largest is too small."""
    if any(group.node[unit] is None for group in workers):
        return
    has = sum(group.most * (group.node[unit] or 0.0) for group in workers)
    least = sum(demand.least * demand.total.get(unit, 0.0) for demand in demands)
    most = sum(demand.most * demand.total.get(unit, 0.0) for demand in demands)
    if not demands or most <= has:
        return
    worst = max(demands, key=lambda demand: demand.most * demand.total.get(unit, 0.0))
    level: Level = "warning" if least <= has else "error"
    kind, n = ("max", most) if least <= has else ("min", least)
    message = (
        f"{kind}_replicas of all deployments need {n:g} {unit}s, and the workers have {has:g} "
        f"at most, {worst.name} takes {worst.most * worst.total[unit]:g} of them"
    )
    remedy = f"lower {kind}_replicas, or raise maxReplicas of a worker group"
    yield Mistake(worst.path, message, remedy, level)


def _engine_nodes(config: Mapping[str, Any], workers: list[Workers]) -> Iterator[Mistake]:
    """Yield the mistake of an engine that is promised more GPUs than a worker has."""
    largest = max((group.node["GPU"] or 0.0 for group in workers), default=0.0)
    for app in applications_of(config):
        if app.args is None or app.args.reasoner is None:
            continue
        promised = app.args.reasoner.engine.gpus_per_node
        if promised is not None and promised > largest:
            path = (*app.path, "args", "reasoner", "engine", "gpus_per_node")
            message = f"engine.gpus_per_node is {promised}, and a worker has {largest:g} GPUs"
            yield Mistake(path, message, f"set it to {largest:g}, or give the workers more")


def _resources(amounts: Mapping[str, float | None]) -> str:
    """Return resources as text.

    Examples
    --------
    >>> _resources({"CPU": 2.0, "GPU": 0.0, "memory": 2.0**30})
    '2 CPUs, 1 GiB'
    """
    parts = []
    for unit, amount in amounts.items():
        if amount and unit == "memory":
            parts.append(f"{amount / 2**30:.3g} GiB")
        elif amount:
            parts.append(f"{amount:g} {unit}" + ("" if amount == 1 else "s"))
    return ", ".join(parts) or "nothing"
