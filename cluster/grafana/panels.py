"""Panels of the dashboard: what all panels of one kind have in common."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as query_options

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
APP = 'application="$application"'
"""The chosen application, in the labels of a query."""
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
LETTERS = "ABCDEFGH"
"""Names of the queries of a panel."""
NUMBER_WIDTH, NUMBER_HEIGHT, GRAPH_HEIGHT = 4, 4, 8
Query = Builder[Dataquery]
Steps = tuple[tuple[float | None, str], ...]
"""Colours of a value: from which value on; the first from None."""


def query(expr: str, legend: str = "") -> prometheus.Dataquery:
    """Return a query over the time range of the dashboard."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range()


def latest(expr: str, legend: str = "") -> prometheus.Dataquery:
    """Return a query for the values at the end of the time range, as a table."""
    return (
        prometheus.Dataquery()
        .expr(expr)
        .legend_format(legend)
        .instant()
        .format(query_options.PromQueryFormat.TABLE)
    )


def colours(steps: Steps) -> dashboard.ThresholdsConfig:
    """Return thresholds, the first of which has no lower end."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def words(texts: Mapping[int, tuple[str, str]]) -> list[models.ValueMapping]:
    """Return what is shown in place of a number: text and colour."""
    results = {
        str(value): models.ValueMappingResult(text=text, color=colour, index=place)
        for place, (value, (text, colour)) in enumerate(texts.items())
    }
    return [models.ValueMap(options=results)]


def changes(values: Mapping[str, object]) -> list[models.DynamicConfigValue]:
    """Return what an override changes."""
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]


def number(
    title: str, description: str, unit: str, queries: Sequence[Query], steps: Steps
) -> stat.Panel:
    """Return a panel with the latest value in large digits, in the colour of its threshold."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(colours(steps))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .height(NUMBER_HEIGHT)
        .span(NUMBER_WIDTH)
    )
    return panel.targets(list(queries))


def graph(
    title: str, description: str, unit: str, queries: Sequence[Query], width: int = 6
) -> timeseries.Panel:
    """Return a panel of lines over time, from 0 on."""
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .axis_soft_min(0)
        .line_width(2)
        .fill_opacity(8)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
        .height(GRAPH_HEIGHT)
        .span(width)
        .targets(list(queries))
    )


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """Return the panel with its lines as areas that add up."""
    return panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL)).fill_opacity(
        45
    )


def limit(panel: timeseries.Panel, value: float) -> timeseries.Panel:
    """Return the panel with a dashed red line at a value, that of the alert."""
    return panel.thresholds(colours(((None, GREEN), (value, RED)))).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.DASHED)
    )


def states(
    title: str,
    description: str,
    queries: Sequence[Query],
    texts: Mapping[int, tuple[str, str]],
    width: int = 8,
) -> statetimeline.Panel:
    """Return a panel with one bar for each series, in the colour of its state."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .mappings(words(texts))
        .merge_values(True)
        .show_value(options.VisibilityMode.NEVER)
        .height(GRAPH_HEIGHT)
        .span(width)
        .targets(list(queries))
    )


def bars(
    title: str,
    description: str,
    unit: str,
    columns: Mapping[str, Query],
    label: str,
) -> barchart.Panel:
    """Return a panel with a group of bars for each value of a label, one bar for each query."""
    names = {f"Value #{letter}": name for letter, name in zip(LETTERS, columns, strict=False)}
    hidden = {"Time": True, **{f"Time {n}": True for n in range(1, len(columns) + 1)}}
    return (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .max(1)
        .x_field(label)
        .orientation(options.VizOrientation.AUTO)
        .show_value(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .transformations(
            [
                models.DataTransformerConfig(
                    id_val="joinByField", options={"byField": label, "mode": "outer"}
                ),
                models.DataTransformerConfig(
                    id_val="organize", options={"excludeByName": hidden, "renameByName": names}
                ),
            ]
        )
        .height(GRAPH_HEIGHT)
        .span(6)
        .targets(list(columns.values()))
    )


def rows(
    title: str, description: str, expr: str, columns: Mapping[str, str], width: int = 8
) -> table.Panel:
    """Return a table with the latest values of a query, with these labels as columns."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .transformations(
            [
                models.DataTransformerConfig(
                    id_val="organize",
                    options={"excludeByName": {"Time": True}, "renameByName": dict(columns)},
                )
            ]
        )
        .height(GRAPH_HEIGHT)
        .span(width)
        .targets([latest(expr)])
    )
