"""Whether routing pays on a bank, as its fit has found."""

from scope.config import StrictModel


class GainInterval(StrictModel):
    """A difference of accuracies in [-1, 1], with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (100 * number for number in (self.value, self.low, self.high))
        return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


class RoutingGain(StrictModel):
    """Mean accuracy over the trade-offs from cheapest to best, of routing minus others.

    Of all models of the bank that was fitted; what a part of its pool gains is not known.
    """

    over_mix: GainInterval
    """Minus the best random mix of single models of the same cost, chosen on the anchors
    themselves, which favours it."""
    over_single: GainInterval
    """Minus the best single model of at most that cost, chosen likewise."""
    n_anchors: int
    """Anchors with all outcomes."""
    model: str
    """The most accurate single model; of equals the cheapest."""
    accuracy: float
    """Of `model`."""
    usd_per_1k: float
    """Of `model`."""

    @property
    def pays(self) -> bool:
        """Whether the whole interval over the best mix is above 0."""
        return self.over_mix.low > 0

    def __str__(self) -> str:
        numbers = (
            f"{self.over_mix} over the best mix of models, "
            f"{self.over_single} over the best single model"
        )
        if self.pays:
            return f"Routing pays on this bank: {numbers}."
        return (
            f"Routing is not shown to pay on this bank: {numbers}; use {self.model} "
            f"({100 * self.accuracy:.1f} % right, ${self.usd_per_1k:.3g} per 1k questions)."
        )
