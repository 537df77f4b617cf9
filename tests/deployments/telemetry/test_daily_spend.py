from datetime import date

from deployments.telemetry.daily_spend import DailySpend


def test_midnight_begins_at_0():
    """
    Also without an answer on the new day.
    """
    days = iter([date(2026, 1, 1)] * 4 + [date(2026, 1, 2)] * 3)
    spend = DailySpend(lambda: next(days))  # one of the first day, to begin with

    spend.add(0.25)
    spend.add(0.5)
    first, second = spend.today_usd, spend.today_usd
    spend.add(1.0)

    assert (first, second, spend.today_usd) == (0.75, 0.0, 1.0)
