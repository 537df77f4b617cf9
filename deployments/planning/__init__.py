"""How many replicas a load needs: a queueing model of measured service times, a plan, its price."""

from deployments.planning.capacity_plan import Target, make_plan
from deployments.planning.cost import UNKNOWN_PRICES, ComputePrices
from deployments.planning.layout import Load
from deployments.planning.plan_inputs import (
    check_bank_measured,
    check_load,
    gpu_shares,
    offline_scoring,
    write_config,
)
from deployments.planning.plan_report import PricedPlan
from deployments.planning.tables import service_times_table

__all__ = [
    "UNKNOWN_PRICES",
    "ComputePrices",
    "Load",
    "PricedPlan",
    "Target",
    "check_bank_measured",
    "check_load",
    "gpu_shares",
    "make_plan",
    "offline_scoring",
    "service_times_table",
    "write_config",
]
