"""From estimates to choices, on arrays: policies, budgets, hulls and the alpha scale."""

from scope.policy.alpha_scale import MIN_COST_SHARE, AlphaScale
from scope.policy.bill_ratio import N_POINTS, BillRatio, describe_bill_ratios
from scope.policy.bounds import EstimateBounds
from scope.policy.budget import plan_budget, plan_budget_streamed
from scope.policy.hull import HullIncrements, Hulls
from scope.policy.policy import Choices, ExpectedValue, MaxCost, MinQuality, Policy, filter_models

__all__ = [
    "MIN_COST_SHARE",
    "N_POINTS",
    "AlphaScale",
    "BillRatio",
    "Choices",
    "EstimateBounds",
    "ExpectedValue",
    "HullIncrements",
    "Hulls",
    "MaxCost",
    "MinQuality",
    "Policy",
    "describe_bill_ratios",
    "filter_models",
    "plan_budget",
    "plan_budget_streamed",
]
