"""The picture of the trade-off."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scope.files import new_file
from scope.frontier import Point, mix_hull
from scope.metrics import Score

OURS, THEIRS, MIX = "#0b6e4f", "#6b6b6b", "#c77d0a"


def plot_frontier(
    path: Path, points: Sequence[Point], singles: Mapping[str, Score], title: str
) -> None:
    """Draw accuracy against cost: the dial, every single model, and their mixes.

    Parameters
    ----------
    path : Path
        ``.png``, ``.svg`` or ``.pdf``; written atomically.
    points : sequence of Point
        The realised scores are drawn where known, else the planned ones.
    singles : mapping of str to Score
        What each model of the pool scores by itself.
    title : str
        What was routed.
    """
    from adjustText import adjust_text
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # Models without an outcome, or free ones, have no place on a log axis.
    shown = {model: s for model, s in singles.items() if s.usd_per_1k > 0}
    usd, accuracy = mix_hull(list(shown.values()))
    dense = np.geomspace(usd[0], usd[-1], 200)
    axes.plot(
        dense,
        np.interp(dense, usd, accuracy),
        "--",
        color=MIX,
        lw=1.4,
        label="random mix of models",
    )
    scores = [point.realised or point.planned for point in points]
    axes.plot(
        [s.usd_per_1k for s in scores],
        [s.accuracy for s in scores],
        color=OURS,
        lw=2.6,
        label="scope, alpha 0 → 1",
    )
    if all(s.standard_error >= 0 for s in scores):
        low, high = ([s.accuracy + k * s.standard_error for s in scores] for k in (-1, 1))
        axes.fill_between(
            [s.usd_per_1k for s in scores],
            low,
            high,
            color=OURS,
            alpha=0.13,
            lw=0,
            label="± one standard error",
        )
    axes.scatter(
        [s.usd_per_1k for s in shown.values()],
        [s.accuracy for s in shown.values()],
        s=26,
        color=THEIRS,
        zorder=3,
        label="one model for all",
    )
    axes.set_xscale("log")
    axes.set_xlabel("cost, USD per 1,000 questions (log)")
    axes.set_ylabel("accuracy" if points[0].realised else "expected accuracy")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:g}")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    texts = [
        axes.text(s.usd_per_1k, s.accuracy, model, fontsize=8, color=THEIRS)
        for model, s in shown.items()
    ]
    adjust_text(texts, ax=axes, arrowprops={"arrowstyle": "-", "color": THEIRS, "lw": 0.5})
    with new_file(path) as draft:
        figure.savefig(draft)
