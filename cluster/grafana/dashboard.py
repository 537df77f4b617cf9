"""The dashboard of an application: decisions and spend, latency, health, quality.

``python -m cluster.grafana.dashboard`` writes ``cluster/grafana/scope.json``.
"""

import json
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus

from cluster.grafana.health import health
from cluster.grafana.panels import APP, LETTERS, SOURCE
from cluster.grafana.quality import quality
from cluster.grafana.speed import latency
from cluster.grafana.spend import spend

FILE = Path(__file__).parent / "scope.json"


def build() -> dashboard.Dashboard:
    """Return the dashboard; its panels have the numbers 1, 2, 3 … in order."""
    board = (
        dashboard.Dashboard("scope-router")
        .uid("scope-router")
        .description("Decisions, spend, latency, health and quality of one application.")
        .tags(["scope-router", "ray-serve"])
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .readonly()
    )
    for variable in variables():
        board = board.with_variable(variable)
    for title, panels in (
        ("Decisions and spend", spend()),
        ("Latency", latency()),
        ("Health", health()),
        ("Quality", quality()),
    ):
        board = board.with_row(dashboard.Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    for number, built in enumerate(board.build().panels or (), start=1):
        built.id_val = number
        if isinstance(built, models.Panel):
            _name_queries(built)
    return board


def _name_queries(panel: models.Panel) -> None:
    for letter, target in zip(LETTERS, panel.targets or (), strict=False):
        assert isinstance(target, prometheus.Dataquery)
        target.ref_id = letter


def variables() -> tuple[dashboard.DatasourceVariable | dashboard.QueryVariable, ...]:
    """Return what the viewer may choose: data source, application, model to compare with."""
    return (
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _choice(
            "application",
            "Application",
            "label_values(ray_scope_requests_total, application)",
        ),
        _choice(
            "reference",
            "Compare with always",
            f"label_values(ray_scope_candidate_decisions_total{{{APP}}}, candidate)",
        ),
    )


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def to_text() -> str:
    """Return the dashboard as JSON."""
    return json.dumps(build().build(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(to_text(), encoding="utf-8")
