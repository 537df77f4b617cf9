"""A plan with its price, as JSON, as text and as changes of a Serve configuration."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deployments.editing import KeyPath
from deployments.planning.capacity_plan import FIXED_BATCH, CapacityPlan, gpus_of
from deployments.planning.cost import HOURS_PER_MONTH, ComputePrices, OfflineScoring
from deployments.planning.tables import UNKNOWN, plan_table

SECONDS_PER_MONTH = 3600 * HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class PricedPlan:
    """A plan, what it costs, and offline work beside it.

    Attributes
    ----------
    plan : CapacityPlan
    prices : ComputePrices
    gpu_shares : mapping of str to float
        GPUs of one replica of each deployment.
    offline : OfflineScoring or None
    """

    plan: CapacityPlan
    prices: ComputePrices
    gpu_shares: Mapping[str, float]
    offline: OfflineScoring | None

    @property
    def gpus(self) -> float:
        """GPUs of all replicas."""
        return gpus_of(self.plan, self.gpu_shares)

    @property
    def usd_per_month(self) -> float | None:
        """Price of a month; None if a price is unknown."""
        hour = self.prices.usd_per_hour(self.plan.cores, self.gpus)
        return None if hour is None else hour * HOURS_PER_MONTH

    @property
    def usd_per_million_decisions(self) -> float | None:
        """Price of a million decisions at the planned load; None if a price is unknown."""
        month = self.usd_per_month
        decisions = self.plan.load.requests_per_s * SECONDS_PER_MONTH
        return None if month is None else 1e6 * month / decisions

    @property
    def offline_usd(self) -> float | None:
        """Price of the GPUs of offline scoring; None if there is none, or its price is unknown."""
        price = self.prices.usd_per_gpu_hour
        if self.offline is None or price is None:
            return None
        return self.offline.gpu_hours * price

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON; null is unknown."""
        plan = self.plan
        nodes = self.prices.nodes_for(plan.cores, self.gpus)
        offline = self.offline and {
            **self.offline.model_dump(),
            "queries": self.offline.queries,
            "tokens": self.offline.tokens,
            "gpu_hours": self.offline.gpu_hours,
            "usd": self.offline_usd,
        }
        return {
            "load": plan.load._asdict(),
            "target": plan.target._asdict(),
            "expected": {
                "p50_s": plan.p50_s,
                "p95_s": plan.p95_s,
                "capacity_per_s": plan.capacity_per_s,
            },
            "deployments": {name: asdict(each) for name, each in plan.deployments.items()},
            "proxies": plan.proxies,
            "cpus": plan.cores,
            "cpus_used": plan.cores_used,
            "gpus": self.gpus,
            "nodes": nodes and {"name": nodes[0].name, "count": nodes[1]},
            "usd_per_month": self.usd_per_month,
            "usd_per_million_decisions": self.usd_per_million_decisions,
            "offline": offline,
        }

    def to_text(self) -> str:
        """Return everything for a person."""
        plan, lines = self.plan, [plan_table(self.plan)]
        if self.gpus:
            lines.append(f"GPUs: {self.gpus:g}")
        if nodes := self.prices.nodes_for(plan.cores, self.gpus):
            lines.append(f"machines: {nodes[1]} × {nodes[0].name}")
        lines.append(
            f"USD a month: {_usd(self.usd_per_month)}; "
            f"a million decisions: {_usd(self.usd_per_million_decisions)}"
        )
        if self.offline is not None:
            work = self.offline
            lines.append(
                f"offline: {work.questions:,} questions × {work.models} models = "
                f"{work.queries:,} queries, {work.tokens / 1e6:,.0f} M tokens: "
                f"{work.gpu_hours:,.1f} GPU hours, USD {_usd(self.offline_usd)}"
            )
        return "\n".join(lines)


def _usd(value: float | None) -> str:
    return f"{UNKNOWN} (no price)" if value is None else f"{value:,.2f}"


def config_changes(plan: CapacityPlan, min_replicas: Mapping[str, int]) -> dict[KeyPath, Any]:
    """Return the values that a plan sets in the application of a Serve configuration.

    The minimum of replicas is not lowered: it may be there for replicas that die. The maximum is
    twice the plan, for the autoscaler to meet what was not planned. The Router's target is set only
    if the time of an upstream's answer is known: most of its requests wait for one.

    Parameters
    ----------
    plan : CapacityPlan
    min_replicas : mapping of str to int
        Of the deployments in the configuration.
    """
    changes: dict[KeyPath, Any] = {}
    for name, each in plan.deployments.items():
        at_least = max(each.replicas, min_replicas.get(name, 1))
        values: dict[KeyPath, Any] = {
            ("max_ongoing_requests",): each.max_ongoing_requests,
            ("autoscaling_config", "min_replicas"): at_least,
            ("autoscaling_config", "max_replicas"): max(2 * each.replicas, at_least),
            ("ray_actor_options", "num_cpus"): each.num_cpus,
        }
        if name != "Router" or plan.target.answer_s:
            target = each.target_ongoing_requests
            values["autoscaling_config", "target_ongoing_requests"] = target
        if each.max_batch_size is not None and name not in FIXED_BATCH:
            values["user_config", "max_batch_size"] = each.max_batch_size
        changes |= {("deployments", name, *path): value for path, value in values.items()}
    return changes
