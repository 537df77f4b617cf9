"""Draws the panels of the dashboard with matplotlib, in Grafana's grid and colours.

It stands in for a screenshot where there is no Grafana: the same JSON, queries and data.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.grafana.reader import Prometheus, Series, colour_of, mapped, readable
from cluster.grafana.sheet import FAINT, GRID, PAGE, PANEL, TEXT, Sheet

COLUMN_PX, LINE_PX, GAP_PX, HEAD_PX = 77, 37, 7, 52
COLOURS = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c", "blue": "#5794f2"}
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#ffa6b0",
    "#37872d", "#fade2a", "#705da0", "#96d98d", "#c4162a", "#e0b400", "#1f60c4", "#8f3bb8",
)  # fmt: skip
MAX_LEGEND = 9
TICKS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600)
"""Distances of the times at an axis."""
RIGHT = "custom.axisPlacement"
"""Override of the side on which the axis of a line is."""


def draw(board: Mapping[str, Any], prometheus: Prometheus, path: Path) -> None:
    """Draw a dashboard into a PNG.

    Parameters
    ----------
    board : mapping
        The JSON of the dashboard.
    prometheus : Prometheus
    path : Path
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style: dict[Any, Any] = {"font.family": "DejaVu Sans", "font.size": 8, "text.color": TEXT}
    n_lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    size_px = 24 * COLUMN_PX + GAP_PX, n_lines * LINE_PX + HEAD_PX + GAP_PX
    with pyplot.rc_context(style):
        figure = pyplot.figure(figsize=(size_px[0] / 100, size_px[1] / 100), facecolor=PAGE)
        sheet = Sheet(figure, *size_px)
        _head(sheet, board, prometheus)
        for panel in board["panels"]:
            DRAW[panel["type"]](sheet, panel, prometheus)
        figure.savefig(path, dpi=100, facecolor=PAGE, pil_kwargs={"optimize": True})
        pyplot.close(figure)


def _head(sheet: Sheet, board: Mapping[str, Any], prometheus: Prometheus) -> None:
    sheet.text(GAP_PX + 4, 33, board["title"], size=14, weight="bold")
    shown = [
        f"{variable['label']}: {prometheus.variables[variable['name']]}"
        for variable in board["templating"]["list"]
        if variable["name"] in prometheus.variables
    ]
    times = [
        datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")
        for at_s in (prometheus.begin_s, prometheus.end_s)
    ]
    right = f"{times[0]} to {times[1]} UTC"
    sheet.text(170, 32, "      ".join(shown), size=9.5, color=FAINT)
    sheet.text(sheet.width_px - GAP_PX - 6, 32, right, size=9.5, color=FAINT, ha="right")


def _place(panel: Mapping[str, Any]) -> tuple[float, float, float, float]:
    grid = panel["gridPos"]
    x, y = GAP_PX + grid.get("x", 0) * COLUMN_PX, HEAD_PX + grid["y"] * LINE_PX
    return x, y, grid["w"] * COLUMN_PX - GAP_PX, grid["h"] * LINE_PX - GAP_PX


def _row(sheet: Sheet, panel: Mapping[str, Any], _: Prometheus) -> None:
    x, y, _width, height = _place(panel)
    sheet.text(x + 2, y + height - 6, f"▾  {panel['title']}", size=11, weight="bold")


def _frame(
    sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus
) -> tuple[float, float, float, float]:
    x, y, width, height = _place(panel)
    sheet.box(x, y, width, height, PANEL)
    title = prometheus.filled(panel["title"])
    shown = title if len(title) * 6.4 < width - 16 else f"{title[: int((width - 30) / 6.4)]}…"
    sheet.text(x + 9, y + 19, shown, size=8.8)
    return x, y, width, height


def _lines(panel: Mapping[str, Any], prometheus: Prometheus) -> list[Series]:
    return [line for target in panel["targets"] for line in prometheus.series(target)]


def _stat(sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    x, y, width, height = _frame(sheet, panel, prometheus)
    lines, settings = _lines(panel, prometheus), panel["fieldConfig"]["defaults"]
    known = [value for value in (lines[0].values if lines else []) if not math.isnan(value)]
    value = known[-1] if known else math.nan
    text, name = mapped(value, panel) or (
        readable(value, settings["unit"]),
        "blue" if math.isnan(value) else colour_of(value, settings["thresholds"]["steps"]),
    )
    colour = FAINT if math.isnan(value) else COLOURS[name]
    middle = y + height * 0.62
    sheet.text(x + width / 2, middle, text, size=21, weight="bold", color=colour, ha="center")
    if len(known) > 1 and panel["options"]["graphMode"] == "area":
        axes = sheet.axes(x + 1, y + height * 0.68, width - 2, height * 0.31)
        axes.fill_between(lines[0].times_s, lines[0].values, min(known), color=colour, alpha=0.18)
        axes.plot(lines[0].times_s, lines[0].values, color=colour, linewidth=1.2)
        axes.set_axis_off()
        axes.margins(x=0)


def _graph(sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    x, y, width, height = _frame(sheet, panel, prometheus)
    settings, lines = panel["fieldConfig"]["defaults"], _lines(panel, prometheus)
    has_right = any(_overrides(panel, line.legend).get(RIGHT) == "right" for line in lines)
    axes = sheet.axes(x + 54, y + 32, width - 70 - 28 * has_right, height - 92)
    colours = [PALETTE[place % len(PALETTE)] for place in range(len(lines))]
    _ticks(axes, prometheus, settings["unit"])
    if settings["custom"].get("stacking", {}).get("mode") == "normal" and lines:
        values = [[0 if math.isnan(v) else v for v in line.values] for line in lines]
        axes.stackplot(lines[0].times_s, *values, colors=colours, alpha=0.7)
        axes.set_ylim(bottom=0)
    else:
        _plot_lines(sheet, panel, lines, colours, axes)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]), top=settings.get("max"))
    if settings["custom"].get("thresholdsStyle", {}).get("mode") == "dashed":
        at = settings["thresholds"]["steps"][-1]["value"]
        axes.axhline(at, color=COLOURS["red"], linestyle=(0, (6, 4)), linewidth=1)
    if not lines:
        sheet.text(x + width / 2, y + height / 2, "no data", color=FAINT, size=10, ha="center")
    _legend(
        sheet,
        (x, y, width, height),
        [(line.legend, c) for line, c in zip(lines, colours, strict=True)],
    )


def _plot_lines(
    sheet: Sheet,
    panel: Mapping[str, Any],
    lines: Sequence[Series],
    colours: Sequence[str],
    axes: Any,  # noqa: ANN401
) -> None:
    """Draw lines, those with overrides dashed or at an axis of their own on the right."""
    for line, colour in zip(lines, colours, strict=True):
        changed = _overrides(panel, line.legend)
        where, dashes = axes, (0, (5, 3)) if "custom.lineStyle" in changed else "solid"
        if changed.get(RIGHT) == "right":
            where = axes.twinx()
            where.tick_params(colors=FAINT, labelsize=7, length=0)
            for spine in where.spines.values():
                spine.set_visible(False)
        where.plot(line.times_s, line.values, color=colour, linewidth=1.4, linestyle=dashes)
        if where is axes and dashes == "solid" and len(lines) < 5:
            axes.fill_between(line.times_s, line.values, 0, color=colour, alpha=0.06, linewidth=0)
        elif where is not axes:
            where.set_ylim(bottom=0)


def _overrides(panel: Mapping[str, Any], legend: str) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        pattern = override["matcher"]["options"].strip("/")
        if pattern in legend:
            changed |= {each["id"]: each.get("value") for each in override["properties"]}
    return changed


def _ticks(axes: Any, prometheus: Prometheus, unit: str) -> None:  # noqa: ANN401 - matplotlib
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(prometheus.begin_s, prometheus.end_s)
    seconds = prometheus.end_s - prometheus.begin_s
    axes.xaxis.set_major_locator(MultipleLocator(next(s for s in TICKS_S if s >= seconds / 5)))
    clock = FuncFormatter(lambda at_s, _: f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}")
    axes.xaxis.set_major_formatter(clock)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: readable(value, unit)))


def _legend(
    sheet: Sheet, place: tuple[float, float, float, float], entries: Sequence[tuple[str, str]]
) -> None:
    """Write what each colour means, in two lines below the axes."""
    x, y, width, height = place
    left, at_x, at_y = x + 12, x + 12, y + height - 30
    for number, (text, colour) in enumerate(entries):
        needed = 27 + 5.8 * len(text)
        if at_x + needed > x + width and at_x > left:
            at_x, at_y = left, at_y + 15
        if at_y > y + height - 10 or number >= MAX_LEGEND:
            sheet.text(
                x + width - 8,
                y + height - 15,
                f"+{len(entries) - number}",
                color=FAINT,
                ha="right",
                size=7.5,
            )
            return
        sheet.text(at_x, at_y, "━", color=colour, size=9, weight="bold")
        sheet.text(at_x + 15, at_y, text, color=TEXT, size=7.5)
        at_x += needed


def _states(sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    x, y, width, height = _frame(sheet, panel, prometheus)
    lines = _lines(panel, prometheus)
    axes = sheet.axes(x + 165, y + 34, width - 180, height - 92)
    _ticks(axes, prometheus, "none")
    axes.grid(visible=False)
    for row, line in enumerate(lines):
        for at_s, value in zip(line.times_s, line.values, strict=True):
            state = None if math.isnan(value) else mapped(value, panel)
            if state:
                axes.barh(
                    row,
                    prometheus.step_s,
                    0.7,
                    at_s,
                    color=COLOURS[state[1]],
                    align="center",
                    alpha=0.85,
                    linewidth=0,
                )
    axes.set_yticks(range(len(lines)), [line.legend for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"].values()
    _legend(
        sheet, (x, y, width, height), [(each["text"], COLOURS[each["color"]]) for each in options]
    )


def _table(sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    x, y, width, _height = _frame(sheet, panel, prometheus)
    names = panel["transformations"][0]["options"]["renameByName"]
    rows = [
        {**line.labels, "Value": readable(line.values[0], "none")}
        for line in _lines(panel, prometheus)
    ]
    for column, (field, name) in enumerate(names.items()):
        at_x = x + 12 + column * (width - 20) / len(names)
        sheet.text(at_x, y + 50, name, color=COLOURS["blue"], size=8.5, weight="bold")
        for number, row in enumerate(rows):
            sheet.text(at_x, y + 74 + 22 * number, row.get(field, "")[:18], size=8.5)


def _bars(sheet: Sheet, panel: Mapping[str, Any], prometheus: Prometheus) -> None:
    x, y, width, height = _frame(sheet, panel, prometheus)
    field = panel["options"]["xField"]
    names = list(panel["transformations"][1]["options"]["renameByName"].values())
    columns = [
        {line.labels[field]: line.values[0] for line in prometheus.series(target)}
        for target in panel["targets"]
    ]
    groups = sorted(set().union(*columns))
    axes = sheet.axes(x + 54, y + 32, width - 70, height - 92)
    for place, (column, colour) in enumerate(zip(columns, PALETTE, strict=False)):
        offsets = [number + 0.38 * place - 0.19 for number in range(len(groups))]
        axes.bar(offsets, [column.get(group, math.nan) for group in groups], 0.36, color=colour)
    axes.set_xticks(range(len(groups)), groups)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: readable(value, "percentunit"))
    _legend(sheet, (x, y, width, height), list(zip(names, PALETTE, strict=False)))


DRAW = {
    "row": _row,
    "stat": _stat,
    "timeseries": _graph,
    "state-timeline": _states,
    "table": _table,
    "barchart": _bars,
}
"""How a panel is drawn, by its type."""
