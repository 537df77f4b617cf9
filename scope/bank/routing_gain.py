"""Whether routing, and a second encoder, pay on a bank, as its fit has found."""

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


class SecondGain(StrictModel):
    """What a second encoder gains on a bank, and what it costs."""

    over_first: GainInterval | None
    """Mean accuracy over the trade-offs from cheapest to best, beyond the best mix of models of the
    same cost: of routing with both encoders minus with the first alone, each anchor left out of
    its own forecast. None where too few anchors have all outcomes."""
    log_loss: float
    """Log loss of the first alone minus that of both, in nats per known outcome."""
    log_loss_error: float
    """Standard error of `log_loss`, paired over anchors."""
    lengthscale: float
    """Cosine distance of its principal components at which the kernel of the second is 1/e."""
    ms_per_question: float | None
    """Milliseconds that the second encoder took for one question, alone, on the machine that
    fitted the bank; None where it could not be loaded there."""
    used: bool
    """Whether the bank was fitted with both."""

    @property
    def pays(self) -> bool:
        """Whether the whole interval of the gain is above 0."""
        return self.over_first is not None and self.over_first.low > 0

    def __str__(self) -> str:
        cost = (
            "its cost per question was not measured, since it could not be loaded"
            if self.ms_per_question is None
            else f"{self.ms_per_question:.0f} ms per question here"
        )
        gain = "an unknown number of points" if self.over_first is None else self.over_first
        numbers = (
            f"The second encoder gains {gain} over the first alone, and "
            f"{self.log_loss:+.4f} ± {self.log_loss_error:.4f} nats of log loss; {cost}."
        )
        if self.pays:
            return f"{numbers} The bank is fitted with both."
        why = (
            "too few anchors have all outcomes" if self.over_first is None else "this may be chance"
        )
        if self.used:
            return f"{numbers} The bank is fitted with both, as asked, although {why}."
        return (
            f"{numbers} As {why}, the bank is fitted with the first encoder alone; "
            "--keep-second-encoder fits it with both."
        )
