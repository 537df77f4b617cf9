"""The spend of a day in UTC."""

from collections.abc import Callable
from datetime import UTC, date, datetime


def utc_today() -> date:
    """Return the date in UTC."""
    return datetime.now(UTC).date()


class DailySpend:
    """Real cost of the answers of one replica since midnight UTC, or since it started.

    Parameters
    ----------
    today : callable, optional
        Returns the date.
    """

    def __init__(self, today: Callable[[], date] = utc_today) -> None:
        self._today, self._date, self._spend_usd = today, today(), 0.0

    @property
    def today_usd(self) -> float:
        """Sum of the known costs of today, USD; answers of unknown cost are not in it."""
        if (today := self._today()) != self._date:
            self._date, self._spend_usd = today, 0.0
        return self._spend_usd

    def add(self, cost_usd: float) -> None:
        """Add the cost of an answer."""
        self._spend_usd = self.today_usd + cost_usd
