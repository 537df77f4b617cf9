import pytest

from scope.evaluation.frontier_plot import plot_frontier
from scope.routing.frontier import FrontierPoint
from scope.routing.metrics import RoutingScore

POINTS = [
    FrontierPoint(
        alpha, 1.0, RoutingScore(0.5 + alpha / 4, float("nan"), 0.01 * 10**alpha, 10), None
    )
    for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)
]
SINGLES = {"small": RoutingScore(0.5, 0.1, 0.01, 10), "large": RoutingScore(0.7, 0.1, 0.2, 10)}


@pytest.mark.parametrize(
    ("suffix", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_file_format_follows_the_suffix(tmp_path, suffix, head):
    """
    No other file is left in the folder.
    """
    path = tmp_path / f"frontier.{suffix}"

    plot_frontier(path, POINTS, SINGLES, "two models")

    assert path.read_bytes().startswith(head)
    assert list(tmp_path.iterdir()) == [path]


def test_every_model_is_labelled(tmp_path):
    """
    As text, in an SVG with text elements.
    """
    import matplotlib

    path = tmp_path / "frontier.svg"

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_frontier(path, POINTS, SINGLES, "two models")

    drawn = path.read_text()
    assert all(
        text in drawn for text in ("small", "large", "two models", "random mixture", "α 0.5")
    )


def test_a_free_model_does_not_break_the_log_axis(tmp_path):
    """
    It is left out; the others are drawn.
    """
    free = {"free": RoutingScore(0.4, 0.1, 0.0, 10), **SINGLES}

    plot_frontier(tmp_path / "frontier.png", POINTS, free, "three models")

    assert (tmp_path / "frontier.png").stat().st_size > 10_000
