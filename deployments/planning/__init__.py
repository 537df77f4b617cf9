"""How many replicas a load needs: measured service times, a queueing model, a plan, its price."""

from deployments.planning.bench import application_of, bench_replicas
from deployments.planning.capacity_plan import Target, make_plan
from deployments.planning.cost import UNKNOWN_PRICES, ComputePrices
from deployments.planning.layout import Load
from deployments.planning.plan_inputs import (
    check_load,
    gpu_shares,
    offline_scoring,
    write_config,
)
from deployments.planning.plan_report import PricedPlan
from deployments.planning.service_times import ServiceTimes
from deployments.planning.tables import service_times_table

__all__ = [
    "UNKNOWN_PRICES",
    "ComputePrices",
    "Load",
    "PricedPlan",
    "ServiceTimes",
    "Target",
    "application_of",
    "bench_replicas",
    "check_load",
    "gpu_shares",
    "make_plan",
    "offline_scoring",
    "service_times_table",
    "write_config",
]
