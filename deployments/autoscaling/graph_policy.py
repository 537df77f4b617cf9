"""Scale the deployments of the application together, as an application-level policy of Serve.

Serve's own policy looks at one deployment at a time: a deployment that gets its requests from
another one sees more of them only after that one has more replicas, so that a chain of three
grows in three steps. Here the load of a deployment counts together with what will reach it.

The controller of Serve calls `scale_graph` about ten times a second. Serve copies this module
into the controller by value: it imports nothing but the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, Protocol, TypeVar

ROOT = "Router"
"""The deployment that gets the requests of clients."""
PARENTS = {
    "Embedder": "Router",
    "SecondEmbedder": "Router",
    "LearnedRouter": "Router",
    "Selector": "Router",
    "Predictor": "Embedder",
}
"""Deployment -> the one whose answers decide how many requests it gets; parents first.

The engine of the reasoner is not here: it takes minutes and a GPU to start, so that its own load
decides, as in Serve's policy.
"""

TREND_S = 10.0
"""Time constant of the average that the Router's load is compared with."""
MAX_GROWTH = 2.0
"""Highest growth of the Router's load that is expected to go on."""
FULL = 0.8
"""Replicas are removed only if the others would then have at most this share of their target."""
SHRINK = 4
"""At most one in so many goes at a time, but one: batches are smaller, and so are loads, while
there are too many replicas, so that the load does not tell how many fewer would do."""


class ScalingConfig(Protocol):
    """The setting of a deployment that is used here; Serve applies the delays and factors."""

    target_ongoing_requests: float


class DeploymentLoad(Protocol):
    """What Serve tells about one deployment: the part of its ``AutoscalingContext`` used here.

    Attributes
    ----------
    deployment_name : str
    current_num_replicas, target_num_replicas : int
        That run, and that Serve wants at present.
    total_num_requests : float
        Running and queued, as callers of the deployment count them: mean of the last
        ``look_back_period_s``.
    capacity_adjusted_min_replicas, capacity_adjusted_max_replicas : int
    policy_state : dict
        What the last call has returned for this deployment.
    current_time : float
        Unix time in seconds.
    """

    deployment_name: str
    current_num_replicas: int
    target_num_replicas: int
    capacity_adjusted_min_replicas: int
    capacity_adjusted_max_replicas: int
    policy_state: dict[str, Any]
    current_time: float

    @property
    def total_num_requests(self) -> float:
        """Requests that run or wait."""

    @property
    def config(self) -> ScalingConfig:
        """Settings of the deployment."""


Id = TypeVar("Id", bound=Hashable)


def scale_graph(
    contexts: Mapping[Id, DeploymentLoad],
) -> tuple[dict[Id, int], dict[Id, dict[str, Any]]]:
    """Return the number of replicas that each deployment should have.

    A deployment needs ``load * inflow / target_ongoing_requests`` replicas, where ``inflow`` says
    how many times as many requests as now it will get: at the Router the recent growth of its
    load, and behind another deployment that one's need over its running replicas, since a
    deployment that is short of replicas passes on less than it receives.

    Parameters
    ----------
    contexts : mapping
        Deployment id -> what Serve tells about it.

    Returns
    -------
    replicas : dict
        Deployment id -> number within the bounds of the deployment. Serve waits for
        ``upscale_delay_s`` or ``downscale_delay_s`` before it follows.
    state : dict
        Deployment id -> what Serve hands back with the next call: the average of the load.
    """
    loads = {load.deployment_name: load for load in contexts.values()}
    state: dict[Id, dict[str, Any]] = {}
    growth = 1.0
    for key, load in contexts.items():
        if load.deployment_name == ROOT:
            average, growth = _trend(load)
            state[key] = {"average_load": average, "updated_at_s": load.current_time}
    inflow = _inflow(loads, growth)
    replicas = {
        key: _replicas(load, _need(load, inflow.get(load.deployment_name, 1.0)))
        for key, load in contexts.items()
    }
    return replicas, state


def _trend(load: DeploymentLoad) -> tuple[float, float]:
    """Return the average of the load, and the growth of the load over it, from 1 to `MAX_GROWTH`.

    Of ``n`` requests that arrive by chance the square root of ``n`` may be noise, which is no
    growth. The first call has nothing to compare with: its growth is 1.
    """
    now = load.total_num_requests
    before = load.policy_state.get("average_load", now)
    passed_s = load.current_time - load.policy_state.get("updated_at_s", load.current_time)
    average = now + (before - now) * math.exp(-max(0.0, passed_s) / TREND_S)
    beyond_noise = now - math.sqrt(now)
    if beyond_noise <= before:
        return average, 1.0
    return average, min(MAX_GROWTH, beyond_noise / before) if before else MAX_GROWTH


def _inflow(loads: Mapping[str, DeploymentLoad], growth: float) -> dict[str, float]:
    """Return how many times as many requests as now each deployment of the graph will get."""
    inflow = {ROOT: growth}
    for name, parent in PARENTS.items():
        inflow[name] = inflow[parent]
        if above := loads.get(parent):
            # It never passes on more than its largest number of replicas can answer.
            need = min(_need(above, inflow[parent]), above.capacity_adjusted_max_replicas)
            inflow[name] = max(inflow[parent], need / max(1, above.current_num_replicas))
    return inflow


def _need(load: DeploymentLoad, inflow: float) -> float:
    """Return the number of replicas, with a fraction, for so many times the present load."""
    return load.total_num_requests * inflow / load.config.target_ongoing_requests


def _replicas(load: DeploymentLoad, need: float) -> int:
    """Return the number of replicas within the bounds; fewer than now only with room to spare."""
    wanted, now = math.ceil(need), load.target_num_replicas
    if wanted <= now:
        wanted = min(now, max(math.ceil(need / FULL), now - max(1, now // SHRINK)))
    return max(
        load.capacity_adjusted_min_replicas, min(load.capacity_adjusted_max_replicas, wanted)
    )
