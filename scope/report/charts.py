"""The charts of an evaluation, as SVG text. Wraps matplotlib."""

from collections.abc import Callable, Sequence
from io import StringIO
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation import (
    MIXTURE_COLOUR,
    MODEL_COLOUR,
    OUR_COLOUR,
    Interval,
    LeaderboardRow,
    PlannedVsRealised,
)
from scope.report.evaluation import (
    BEST_SINGLE,
    MIXTURE,
    ORACLE,
    OURS,
    SHUFFLED,
    Evaluation,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAINT = "#9aa0a6"
OTHERS = ("#3b6fb6", "#8e5aa8", "#b5495b", "#1aa6a6", "#a08c5b")
"""Colours of the other routers, in their order."""
STYLES: dict[str, dict[str, Any]] = {
    OURS: {"color": OUR_COLOUR, "lw": 2.6},
    MIXTURE: {"color": MIXTURE_COLOUR, "ls": "--", "lw": 1.6},
    SHUFFLED: {"color": FAINT, "ls": "-.", "lw": 1.2},
    BEST_SINGLE: {"color": MODEL_COLOUR, "lw": 0.8},
    ORACLE: {"color": FAINT, "ls": ":", "lw": 1.6},
}


def trade_off(evaluation: Evaluation) -> str:
    """Draw accuracy against the budget: strategies, the interval of ours, single models."""

    def draw(axes: "Axes") -> None:
        _curves(axes, evaluation, lambda row: row.curve)
        models = [row for row in evaluation.single_models if row.name in evaluation.models]
        # A log axis has no place for a free model.
        paid = [row for row in models if row.usd_per_1k.value > 0]
        usd = [row.usd_per_1k.value for row in paid]
        accuracy = [row.accuracy.value for row in paid]
        axes.scatter(usd, accuracy, s=22, color=MODEL_COLOUR, zorder=3, label="single models")
        axes.set_ylabel("accuracy at the budget")
        _legend_below(axes)

    return _svg(draw, (9.2, 5.8))


def gain_over_mixture(evaluation: Evaluation) -> str:
    """Draw the gain of each curve over the random mixture, without the oracle."""

    def draw(axes: "Axes") -> None:
        _curves(axes, evaluation, lambda row: row.gain_over_mixture, scale=100, without=(ORACLE,))
        axes.set_ylabel("gain over the mixture, points")
        _legend_below(axes)

    return _svg(draw, (9.2, 4.6))


def reliability(evaluation: Evaluation) -> str:
    """Draw the reliability diagram: accuracy against predicted probability, by bin."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--", label="perfectly calibrated")
        shown = [(quality, OTHERS[2], 1.0) for quality in evaluation.quality[1:2]]
        shown.append((evaluation.quality[0], OUR_COLOUR, 2.2))
        for quality, color, width in shown:
            bins = quality.pooled.bins
            p, share = [b.mean_p for b in bins], [b.share_correct for b in bins]
            label = f"{quality.name}: ECE {quality.pooled.ece:.3f}"
            axes.plot(p, share, "o-", color=color, lw=width, ms=4.5, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("predicted probability, mean of the bin")
        axes.set_ylabel("share of correct answers")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return _svg(draw, (5.2, 5.0))


def planned_vs_realised(evaluation: Evaluation) -> str:
    """Draw the realised cost of every setting against the planned one."""

    def draw(axes: "Axes") -> None:
        usd = [row.planned_usd_per_1k for row in evaluation.planned_costs]
        ends = [min(usd), max(usd)]
        axes.plot(ends, ends, color=FAINT, lw=1, ls="--", label="as planned")
        for kind, style in (("budget", {"fmt": "s"}), ("alpha", {"fmt": "o", "mfc": "white"})):
            _cost_error_bars(
                axes, [row for row in evaluation.planned_costs if row.name.startswith(kind)], style
            )
        _money_axis(axes)
        if axes.get_xscale() == "log":
            axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"${value:g}")
        axes.set_xlabel("planned USD per 1,000 questions")
        axes.set_ylabel("realised USD per 1,000 questions")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return _svg(draw, (5.2, 5.0))


def _cost_error_bars(
    axes: "Axes", rows: Sequence[PlannedVsRealised], style: dict[str, Any]
) -> None:
    if not rows:
        return
    usd, low, high = _columns([row.usd_per_1k for row in rows])
    axes.errorbar(
        [row.planned_usd_per_1k for row in rows],
        usd,
        yerr=[usd - low, high - usd],
        color=OUR_COLOUR,
        ms=6,
        lw=1.4,
        label=f"by {rows[0].name.split()[0]}",
        **style,
    )


def _curves(
    axes: "Axes",
    evaluation: Evaluation,
    read: Callable[[LeaderboardRow], Sequence[Interval]],
    scale: float = 1,
    without: Sequence[str] = (),
) -> None:
    """Draw what `read` returns for every strategy, against the budget."""
    usd = evaluation.budgets_usd_per_1k
    colours = iter(cycle(OTHERS))
    for row in reversed(evaluation.leaderboard):  # ours last, on top
        if row.name in without:
            continue
        style = STYLES.get(row.name) or {"color": next(colours), "lw": 1.1}
        axes.plot(usd, scale * _columns(read(row))[0], label=row.name, **style)
    _, low, high = _columns(read(evaluation.row(OURS)))
    axes.fill_between(usd, scale * low, scale * high, color=OUR_COLOUR, alpha=0.12, lw=0)
    _money_axis(axes)


def _columns(intervals: Sequence[Interval]) -> FloatArray:
    """Return values, lower and upper ends, shape (3, n)."""
    return np.array([(i.value, i.low, i.high) for i in intervals]).T


def _legend_below(axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = np.argsort([label != OURS for label in labels], kind="stable")
    axes.figure.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside lower center",
        frameon=False,
        fontsize=8,
        ncols=4,
    )


def _money_axis(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    if axes.dataLim.x1 > 0:  # where every model is free there is no log
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:g}")
    axes.set_xlabel("budget, USD per 1,000 questions (log)")


def _svg(draw: Callable[["Axes"], None], inches: tuple[float, float]) -> str:
    """Return one picture, the same text for the same numbers."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "scope"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
