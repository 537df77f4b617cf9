"""A picture of a training: what was logged at each step."""

from pathlib import Path
from typing import Any

SERIES = {
    "loss": "training loss",
    "eval_loss": "validation loss",
    "reward": "mean reward",
}
"""Logged name -> label; each log has some of them."""

SMOOTHING = 20
"""Panels show the mean of this many parts of the training beside each step."""


def plot_log(log: list[dict[str, Any]], path: Path) -> None:
    """Draw each logged series against the steps as a PNG file.

    Parameters
    ----------
    log : list of dict
        Entries of the Trainer: ``step`` and what was logged there.
    path : Path
        File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = {
        label: points for name, label in SERIES.items() if len(points := _points(log, name)) > 0
    }
    panels = [
        {label: series[label] for label in labels if label in series}
        for labels in (("training loss", "validation loss"), ("mean reward",))
    ]
    panels = [panel for panel in panels if panel]
    figure = Figure(figsize=(7, 3.2 * max(len(panels), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, place + 1)
        for label, points in panel.items():
            steps, values = zip(*points, strict=True)
            many = len(points) > 2 * SMOOTHING
            (line,) = axes.plot(
                steps,
                values,
                label=None if many else label,
                alpha=0.3 if many else 1.0,
                marker="o" if len(points) <= SMOOTHING else None,
            )
            if many:
                axes.plot(*_smoothed(points), label=label, color=line.get_color())
        axes.set_xlabel("step")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _points(log: list[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(int(entry["step"]), float(entry[name])) for entry in log if name in entry]


def _smoothed(points: list[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """Return the means of consecutive parts of the points."""
    size = max(len(points) // SMOOTHING, 1)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    means = [[sum(column) / len(part) for column in zip(*part, strict=True)] for part in parts]
    return [step for step, _ in means], [value for _, value in means]
