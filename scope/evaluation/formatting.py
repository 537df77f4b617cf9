"""Numbers with their intervals, and tables of them, as text."""

import math
from dataclasses import dataclass

from scope.evaluation.bootstrap import Interval

UNKNOWN = "n/a"


@dataclass(frozen=True, slots=True)
class TableCell:
    """The text of one cell of a table, and the note beneath it."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Headers and rows of equal length."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]


def is_defined(interval: Interval) -> bool:
    """Return whether the value is defined."""
    return not math.isnan(interval.value)


def format_share(interval: Interval) -> str:
    """Return a share in percent with its interval."""
    if not is_defined(interval):
        return UNKNOWN
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.value:.1f} ({low:.1f} to {high:.1f})"


def format_points(interval: Interval) -> str:
    """Return a difference of shares in points, signed, with its interval."""
    if not is_defined(interval):
        return UNKNOWN
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.value:+.1f} ({low:+.1f} to {high:+.1f})"


def plus_minus(interval: Interval) -> str:
    """Return a share in percent with half the width of its interval."""
    if not is_defined(interval):
        return UNKNOWN
    half = 50 * (interval.high - interval.low)
    return f"{100 * interval.value:.1f} ± {half:.1f}"


def percent(share: float) -> str:
    """Return a share without decimals."""
    return UNKNOWN if math.isnan(share) else f"{100 * share:.0f} %"


def one_decimal(share: float) -> str:
    """Return a share in percent, without the sign."""
    return UNKNOWN if math.isnan(share) else f"{100 * share:.1f}"


def format_share_rounded(interval: Interval) -> str:
    """Return a share in percent, without decimals, with its interval."""
    low, high = 100 * interval.low, 100 * interval.high
    return (
        f"{percent(interval.value)} ({low:.0f} to {high:.0f})" if is_defined(interval) else UNKNOWN
    )


def format_metric(interval: Interval) -> str:
    """Return a metric with its interval, in three decimals."""
    return f"{interval:.3f}" if is_defined(interval) else UNKNOWN


def split_interval(text: str) -> tuple[str, str]:
    """Split a formatted number into value and interval."""
    value, _, interval = text.partition(" (")
    return value, interval.rstrip(")")
