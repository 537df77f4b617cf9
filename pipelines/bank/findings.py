"""What a fit finds out about a bank: the best forecast, whether routing pays, and its bills."""

from dataclasses import replace

from scope.bank import Bank
from scope.predictor import choose_forecast


def with_findings(fitted: Bank) -> Bank:
    """Choose the forecast of a fitted bank, and find out what its decisions gain and cost.

    All by cross-validation on the bank's own anchors; see `scope.predictor.choose_forecast`,
    `scope.report.routing_gain` and `scope.report.fit_bill_ratio`.
    """
    from scope.report import AnchorForecasts, fit_bill_ratio, routing_gain

    chosen = choose_forecast(fitted)
    anchors = AnchorForecasts.from_bank(chosen)
    if anchors is None or chosen.reference is None:
        return chosen
    reference = replace(chosen.reference, bill_ratio=fit_bill_ratio(anchors))
    return replace(chosen, routing_gain=routing_gain(anchors), reference=reference)
