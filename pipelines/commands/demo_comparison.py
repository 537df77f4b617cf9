"""The comparison of ``scope demo --strategy``: its table, and what it says in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group

from pipelines.terminal import table
from scope.evaluation import Interval, format_share, is_defined, one_decimal
from scope.saving import AgainstReference

HULL = "the hull of static arms"


@dataclass(frozen=True, slots=True)
class RuleComparison:
    """A rule beside always one arm, and beside other strategies at the cost of the rule.

    Attributes
    ----------
    section : AgainstReference
        The rule is its first fixed point; its sweeps are read where they save what the rule saves.
    best_arm : str
        The arm with the highest mean quality on the training questions.
    reference_usd, reference_quality : float
        Mean cost of a test question and mean quality of always the reference.
    """

    section: AgainstReference
    best_arm: str
    reference_usd: float
    reference_quality: float

    def table(self) -> Group:
        """Return cost, cost saved, quality and drop of all strategies."""
        rule, *arms = self.section.fixed_points
        arms.sort(key=lambda row: row.saving.value)
        rows = [
            self._row(f"always {arm.name}{self._remark(arm.name)}", arm.saving, arm.drop)
            for arm in arms
        ]
        rows.append(self._row(rule.name, rule.saving, rule.drop))
        rows += [
            self._row(f"same cost: {sweep.name}", rule.saving.value, sweep.at_savings[0].drop)
            for sweep in self.section.sweeps
        ]
        title = (
            f"{self.section.n_questions:,} test questions, against always "
            f"{self.section.reference}; USD per million questions; 95 % intervals"
        )
        headers = ("strategy", "USD", "cost saved %", "quality %", "drop %")
        return table(title, headers, rows)

    def verdicts(self, target_drop: float) -> Iterator[str]:
        """Yield one sentence on the calibration of tau, and one a strategy on the static arms."""
        rule = self.section.fixed_points[0]
        yield (
            f"τ was to lose at most {100 * target_drop:g} %: on the test questions it loses "
            f"{format_share(rule.drop)} % and saves {format_share(rule.saving)} % of the cost."
        )
        trade_off = self.section.sweeps[0]
        yield "The hull of static arms is the best random mix of single arms that costs as much."
        yield verdict(rule.name, rule.gain_over_hull)
        yield verdict(trade_off.name, trade_off.at_savings[0].gain_over_hull)

    def _row(self, name: str, saving: Interval | float, drop: Interval) -> tuple[str, ...]:
        saved = saving if isinstance(saving, float) else saving.value
        return (
            name,
            f"${1e6 * self.reference_usd * (1 - saved):.2f}",
            one_decimal(saving) if isinstance(saving, float) else format_share(saving),
            one_decimal(self.reference_quality * (1 - drop.value)),
            format_share(drop),
        )

    def _remark(self, arm: str) -> str:
        remarks = {
            self.section.reference: "reference",
            self.section.smallest: "cheapest",
            self.best_arm: "best",
        }
        if self.best_arm == self.section.reference:
            remarks[self.best_arm] = "reference, best"
        return f" ({remarks[arm]})" if arm in remarks else ""


def verdict(name: str, gain: Interval) -> str:
    """Say whether a strategy is better than random mixtures of the arms that cost as much.

    Parameters
    ----------
    name : str
    gain : Interval
        Drop of the hull of static arms at the same cost minus that of the strategy.

    Examples
    --------
    >>> verdict("A coin", Interval(0.0, -0.01, 0.01))
    'A coin does not beat the hull of static arms: it loses 0.0 points less (-1.0 to 1.0).'
    """
    if not is_defined(gain):
        return f"{name} cannot be compared with {HULL}: it never costs as much as the rule."
    if gain.low > 0:
        found = f"beats {HULL}"
    elif gain.high < 0:
        found = f"is worse than {HULL}"
    else:
        found = f"does not beat {HULL}"
    ends = sorted([gain.low, gain.high]) if gain.value >= 0 else sorted([-gain.low, -gain.high])
    how = "less" if gain.value >= 0 else "more"
    points, (low, high) = 100 * abs(gain.value), (100 * end for end in ends)
    return f"{name} {found}: it loses {points:.1f} points {how} ({low:.1f} to {high:.1f})."
