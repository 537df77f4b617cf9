"""The dashboard as it is committed."""

import json

import pytest

from cluster.grafana.dashboard import to_text
from tests.cluster.expressions import DASHBOARD, panels

WIDTH = 24
"""Columns of Grafana's grid."""


def test_the_committed_file_is_what_the_code_builds():
    """
    `python -m cluster.grafana.dashboard` writes it.
    """
    assert DASHBOARD.read_text(encoding="utf-8") == to_text()


def test_there_are_four_rows():
    """
    What is spent, how fast, how well it runs, how good the forecasts are.
    """
    board = json.loads(DASHBOARD.read_text())
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]

    assert rows == ["Decisions and spend", "Latency", "Health", "Quality"]
    assert [each["name"] for each in board["templating"]["list"]] == [
        "datasource",
        "application",
        "reference",
    ]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_what_to_do(panel):
    """
    A title, a description in sentences, a unit unless it is a table or a state, and queries with
    names of their own.
    """
    letters = [query["refId"] for query in panel["targets"]]

    assert panel["title"]
    assert len(panel["description"]) > 60
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    assert letters == list("ABCDEFGH"[: len(letters)])
    if panel["type"] not in ("table", "state-timeline"):
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_no_panel_covers_another():
    """
    Each cell of the grid belongs to one panel, and every line of panels is full.
    """
    board = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board)
        for x in range(place.get("x", 0), place.get("x", 0) + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len(cells) == WIDTH * (1 + max(y for _, y in cells))


def test_panels_have_numbers_of_their_own():
    """
    Links to a panel go by its number.
    """
    numbers = [panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]]

    assert numbers == list(range(1, len(numbers) + 1))
