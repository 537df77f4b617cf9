"""The plot of the frontier: accuracy against cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scope.routing import FrontierPoint, RoutingScore, mix_hull
from scope.storage import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUR_COLOUR, MODEL_COLOUR, MIXTURE_COLOUR = "#0b6e4f", "#555555", "#c77d0a"
MARKED_ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ABOVE: dict[str, Any] = {"xytext": (0, 11), "ha": "center"}
BESIDE: dict[str, Any] = {"xytext": (-8, -3), "ha": "right"}
LABEL: dict[str, Any] = {
    "textcoords": "offset points",
    "fontsize": 8,
    "color": OUR_COLOUR,
    "fontweight": "bold",
}


def plot_frontier(
    path: Path, points: Sequence[FrontierPoint], singles: Mapping[str, RoutingScore], title: str
) -> None:
    """Draw accuracy against cost: alpha from 0 to 1, single models and their random mixtures.

    Parameters
    ----------
    path : Path
        ``.png``, ``.svg`` or ``.pdf``; written atomically.
    points : sequence of FrontierPoint
        The realised scores are drawn where they are known, else the planned ones.
    singles : mapping of str to RoutingScore
        The score of each model of the pool on all questions.
    title : str
        Title of the plot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _style(axes, title, "accuracy" if points[0].realised else "expected accuracy")
    # A log axis has no place for a free model, nor for one without an outcome.
    shown = {model: score for model, score in singles.items() if score.usd_per_1k > 0}
    _draw_mixtures(axes, list(shown.values()))
    usd, accuracy = _draw_alphas(axes, points)
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


def _draw_mixtures(axes: "Axes", scores: Sequence[RoutingScore]) -> None:
    usd, accuracy = mix_hull(scores)
    dense = np.geomspace(usd[0], usd[-1], 200)
    mixed = np.interp(dense, usd, accuracy)
    axes.plot(dense, mixed, "--", color=MIXTURE_COLOUR, lw=1.5, label="random mixture of models")


def _draw_alphas(axes: "Axes", points: Sequence[FrontierPoint]) -> tuple[list[float], list[float]]:
    """Draw our curve with its error band and `MARKED_ALPHAS`; return its costs and accuracies."""
    scores = [point.realised or point.planned for point in points]
    usd, accuracy = [s.usd_per_1k for s in scores], [s.accuracy for s in scores]
    axes.plot(usd, accuracy, color=OUR_COLOUR, lw=2.6, label="scope, alpha 0 → 1")
    if all(s.standard_error >= 0 for s in scores):
        low, high = ([s.accuracy + k * s.standard_error for s in scores] for k in (-1, 1))
        axes.fill_between(
            usd, low, high, color=OUR_COLOUR, alpha=0.13, lw=0, label="± one standard error"
        )
    for point, x, y in zip(points, usd, accuracy, strict=True):
        if point.alpha in MARKED_ALPHAS:
            axes.plot(x, y, "o", ms=6, color="white", mec=OUR_COLOUR, mew=1.8, zorder=4)
            # The curve is steep at its cheap end: that label goes beside it.
            position = BESIDE if point.alpha == 0 else ABOVE
            axes.annotate(f"α {point.alpha:g}", (x, y), **LABEL, **position)
    return usd, accuracy


def _draw_models(
    axes: "Axes", shown: Mapping[str, RoutingScore], usd: Sequence[float], accuracy: Sequence[float]
) -> None:
    """Draw the models as dots, with labels that overlap neither each other nor our curve."""
    from adjustText import adjust_text

    x_m, y_m = [s.usd_per_1k for s in shown.values()], [s.accuracy for s in shown.values()]
    axes.scatter(x_m, y_m, s=26, color=MODEL_COLOUR, zorder=3, label="single models")
    texts = [
        axes.text(x, y, model, fontsize=8, color=MODEL_COLOUR)
        for model, x, y in zip(shown, x_m, y_m, strict=True)
    ]
    adjust_text(
        texts,
        x=[*usd, *x_m],
        y=[*accuracy, *y_m],
        ax=axes,
        arrowprops={"arrowstyle": "-", "color": MODEL_COLOUR, "lw": 0.5},
    )
