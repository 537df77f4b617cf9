"""The picture of the trade-off."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scope.routing import FrontierPoint, RoutingScore, mix_hull
from scope.storage import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, THEIRS, MIX = "#0b6e4f", "#555555", "#c77d0a"
MARKED_ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ABOVE: dict[str, Any] = {"xytext": (0, 11), "ha": "center"}
BESIDE: dict[str, Any] = {"xytext": (-8, -3), "ha": "right"}
LABEL: dict[str, Any] = {
    "textcoords": "offset points",
    "fontsize": 8,
    "color": OURS,
    "fontweight": "bold",
}


def plot_frontier(
    path: Path, points: Sequence[FrontierPoint], singles: Mapping[str, RoutingScore], title: str
) -> None:
    """Draw accuracy against cost: the dial, every single model, and their mixes.

    Parameters
    ----------
    path : Path
        ``.png``, ``.svg`` or ``.pdf``; written atomically.
    points : sequence of FrontierPoint
        The realised scores are drawn where known, else the planned ones.
    singles : mapping of str to RoutingScore
        What each model of the pool scores by itself.
    title : str
        What was routed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _style(axes, title, "accuracy" if points[0].realised else "expected accuracy")
    # A free model, or one without an outcome, has no place on a log axis.
    shown = {model: score for model, score in singles.items() if score.usd_per_1k > 0}
    _draw_mix(axes, list(shown.values()))
    usd, accuracy = _draw_dial(axes, points)
    _draw_models(axes, shown, usd, accuracy)
    axes.legend(frameon=False, loc="lower right")
    with atomic_file(path) as draft:
        figure.savefig(draft)


def _style(axes: "Axes", title: str, quality: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("cost, USD per 1,000 questions (log)")
    axes.set_ylabel(quality)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_mix(axes: "Axes", scores: Sequence[RoutingScore]) -> None:
    usd, accuracy = mix_hull(scores)
    dense = np.geomspace(usd[0], usd[-1], 200)
    mixed = np.interp(dense, usd, accuracy)
    axes.plot(dense, mixed, "--", color=MIX, lw=1.5, label="random mix of models")


def _draw_dial(axes: "Axes", points: Sequence[FrontierPoint]) -> tuple[list[float], list[float]]:
    """Draw our curve with its error band and a few marked alphas; return its points."""
    scores = [point.realised or point.planned for point in points]
    usd, accuracy = [s.usd_per_1k for s in scores], [s.accuracy for s in scores]
    axes.plot(usd, accuracy, color=OURS, lw=2.6, label="scope, alpha 0 → 1")
    if all(s.standard_error >= 0 for s in scores):
        low, high = ([s.accuracy + k * s.standard_error for s in scores] for k in (-1, 1))
        axes.fill_between(
            usd, low, high, color=OURS, alpha=0.13, lw=0, label="± one standard error"
        )
    for point, x, y in zip(points, usd, accuracy, strict=True):
        if point.alpha in MARKED_ALPHAS:
            axes.plot(x, y, "o", ms=6, color="white", mec=OURS, mew=1.8, zorder=4)
            # The curve leaves its cheap end steeply: that label stands beside it.
            place = BESIDE if point.alpha == 0 else ABOVE
            axes.annotate(f"α {point.alpha:g}", (x, y), **LABEL, **place)
    return usd, accuracy


def _draw_models(
    axes: "Axes", shown: Mapping[str, RoutingScore], usd: Sequence[float], accuracy: Sequence[float]
) -> None:
    """Draw the models as dots; labels keep clear of each other and of our curve."""
    from adjustText import adjust_text

    x_m, y_m = [s.usd_per_1k for s in shown.values()], [s.accuracy for s in shown.values()]
    axes.scatter(x_m, y_m, s=26, color=THEIRS, zorder=3, label="one model for all")
    texts = [
        axes.text(x, y, model, fontsize=8, color=THEIRS)
        for model, x, y in zip(shown, x_m, y_m, strict=True)
    ]
    adjust_text(
        texts,
        x=[*usd, *x_m],
        y=[*accuracy, *y_m],
        ax=axes,
        arrowprops={"arrowstyle": "-", "color": THEIRS, "lw": 0.5},
    )
