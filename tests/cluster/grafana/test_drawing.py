"""The picture of the dashboard, from what a real Prometheus holds."""

import json
import shutil
import subprocess
import time

import pytest
from PIL import Image

from benchmarks.dashboard import scraping
from cluster.grafana.drawing import draw
from cluster.grafana.reader import Prometheus
from tests.cluster.expressions import DASHBOARD

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed"
)

SECONDS, STEP_S = 60, 5
VARIABLES = {
    "application": "scope",
    "reference": "large",
    "__range": "60s",
    "__rate_interval": "20s",
}
COUNTERS = {
    'ray_scope_decisions_total{application="scope",model="small",source="anchors"}': 10,
    'ray_scope_candidate_decisions_total{application="scope",candidate="large"}': 10,
    'ray_scope_candidate_cost_usd_total{application="scope",candidate="large"}': 4,
    'ray_scope_chosen_cost_usd_total{application="scope",candidate="large"}': 1,
}
"""What they grow by in `STEP_S`."""


@pytest.fixture
def stored(tmp_path):
    """A folder of Prometheus with a minute of these counters; begin and end of it."""
    end_s = int(time.time()) - 5
    begin_s = end_s - SECONDS
    lines = []
    for series, step in COUNTERS.items():
        lines.append(f"# TYPE {series.partition('{')[0]} gauge")
        lines += [
            f"{series} {step * n} {begin_s + STEP_S * n}" for n in range(SECONDS // STEP_S + 1)
        ]
    text = tmp_path / "samples.txt"
    text.write_text("\n".join([*lines, "# EOF", ""]))
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, tmp_path / "data"]
    subprocess.run(blocks, check=True, capture_output=True)
    return tmp_path, begin_s, end_s


def test_a_query_of_the_dashboard_is_evaluated_with_its_variables(stored):
    """
    Decisions: 10 in 5 s are 2 per second; chosen 1 USD where always `large` costs 4 saves 75 %.
    """
    folder, begin_s, end_s = stored
    board = json.loads(DASHBOARD.read_text())
    targets = {panel["title"]: panel.get("targets") for panel in board["panels"]}
    with scraping(folder) as url:
        prometheus = Prometheus(url, begin_s, end_s, STEP_S, VARIABLES)
        (decisions,) = prometheus.series(targets["Decisions by model"][0])
        (saving,) = prometheus.series(targets["Saving against always $reference"][0])

    assert decisions.legend == "small"
    assert decisions.values[-1] == pytest.approx(2.0)
    assert saving.values[-1] == pytest.approx(0.75)


def test_every_panel_is_drawn(stored, tmp_path):
    """
    Those without data, too.
    """
    folder, begin_s, end_s = stored
    with scraping(folder) as url:
        prometheus = Prometheus(url, begin_s, end_s, STEP_S, VARIABLES)
        draw(json.loads(DASHBOARD.read_text()), prometheus, tmp_path / "dashboard.png")

    with Image.open(tmp_path / "dashboard.png") as picture:
        assert picture.size[0] > 1800
        assert len(picture.convert("RGB").getcolors(1_000_000)) > 50
