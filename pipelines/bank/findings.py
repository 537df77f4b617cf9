"""What a fit finds out about a bank: the best forecast, and whether routing pays."""

from dataclasses import replace

from scope.bank import Bank
from scope.predictor import choose_forecast


def with_findings(fitted: Bank) -> Bank:
    """Choose the forecast of a fitted bank, and find out whether routing pays on it.

    Both by cross-validation on the bank's own anchors; see `scope.predictor.choose_forecast` and
    `scope.report.routing_gain`.
    """
    from scope.report import routing_gain

    chosen = choose_forecast(fitted)
    return replace(chosen, routing_gain=routing_gain(chosen))
