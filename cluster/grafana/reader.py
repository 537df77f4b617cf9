"""Reads the committed dashboard and evaluates its queries through Prometheus' HTTP API."""

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

TIMEOUT_S = 30.0


class Series(NamedTuple):
    """The values of one line; NaN where there is none."""

    legend: str
    labels: Mapping[str, str]
    times_s: list[float]
    values: list[float]


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus, and the time range and variables that its dashboard is read with.

    Attributes
    ----------
    url : str
    begin_s, end_s : float
        Seconds since 1970.
    step_s : float
        Distance of two values of a line.
    variables : mapping of str to str
        What stands in the queries as ``$name``.
    """

    url: str
    begin_s: float
    end_s: float
    step_s: float
    variables: Mapping[str, str]

    def filled(self, text: str) -> str:
        """Return a query or title with its variables replaced, longer names first."""
        for name in sorted(self.variables, key=len, reverse=True):
            text = text.replace(f"${name}", self.variables[name])
        return text

    def series(self, target: Mapping[str, Any]) -> list[Series]:
        """Return the lines of one query of a panel."""
        expr = self.filled(target["expr"])
        if target.get("instant"):
            found = self._get("query", query=expr, time=self.end_s)
            points = [(row["metric"], [row["value"]]) for row in found]
        else:
            times = {"start": self.begin_s, "end": self.end_s, "step": self.step_s}
            found = self._get("query_range", query=expr, **times)
            points = [(row["metric"], row["values"]) for row in found]
        legend = self.filled(target.get("legendFormat") or "")
        return [self._series(legend, labels, values) for labels, values in points]

    def _series(self, legend: str, labels: Mapping[str, str], points: list[Any]) -> Series:
        for name, value in labels.items():
            legend = legend.replace(f"{{{{{name}}}}}", value)
        known = {round(float(time), 3): float(value) for time, value in points}
        if len(points) == 1:
            return Series(legend, labels, list(known), list(known.values()))
        n = round((self.end_s - self.begin_s) / self.step_s) + 1
        times = [round(self.begin_s + place * self.step_s, 3) for place in range(n)]
        return Series(legend, labels, times, [known.get(time, math.nan) for time in times])

    def _get(self, path: str, **parameters: object) -> list[Any]:
        data = urllib.parse.urlencode(parameters).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, TIMEOUT_S) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
        return result


def readable(value: float, unit: str) -> str:
    """Return a value as a panel shows it.

    Examples
    --------
    >>> readable(0.1234, "percentunit"), readable(1234.5, "ms"), readable(0.0021, "currencyUSD")
    ('12.3%', '1.23 s', '$0.0021')
    >>> readable(3.0, "none"), readable(12.34, "reqps"), readable(math.nan, "none")
    ('3', '12.3 req/s', 'no data')
    """
    if math.isnan(value):
        return "no data"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    if unit == "currencyUSD":
        return f"${value:.2f}" if abs(value) >= 1 else f"${value:.2g}"
    if unit == "ms":
        return f"{value / 1e3:.3g} s" if value >= 1e3 else f"{value:.3g} ms"
    number = f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
    return f"{number} req/s" if unit == "reqps" else number


def colour_of(value: float, steps: list[Mapping[str, Any]]) -> str:
    """Return the name of the colour of the highest threshold that a value reaches.

    Examples
    --------
    >>> steps = [{"value": None, "color": "green"}, {"value": 0.8, "color": "red"}]
    >>> colour_of(0.5, steps), colour_of(0.8, steps)
    ('green', 'red')
    """
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return str(reached[-1])


def mapped(value: float, panel: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the text and colour that a panel shows in place of a value; None without one."""
    for mapping in panel["fieldConfig"]["defaults"].get("mappings") or ():
        option = mapping["options"].get(f"{value:.0f}")
        if option is not None and float(value).is_integer():
            return option["text"], option["color"]
    return None
