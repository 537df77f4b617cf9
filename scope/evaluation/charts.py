"""The pictures of an evaluation, as SVG text. Wraps matplotlib."""

from collections.abc import Callable, Sequence
from io import StringIO
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from scope.evaluation.bootstrap import Interval
from scope.evaluation.evaluation import MIX, ORACLE, OURS, RANDOM, SHUFFLED, SINGLES, Evaluation
from scope.evaluation.frontier_plot import MIX as MIX_COLOUR
from scope.evaluation.frontier_plot import OURS as OUR_COLOUR
from scope.evaluation.frontier_plot import THEIRS
from scope.evaluation.leaderboard import LeaderboardRow
from scope.evaluation.planned_cost import PlannedVsRealised

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAINT = "#9aa0a6"
OTHERS = ("#3b6fb6", "#8e5aa8", "#b5495b", "#1aa6a6", "#a08c5b")
"""Colours of the other routers, in their order."""
STYLES: dict[str, dict[str, Any]] = {
    OURS: {"color": OUR_COLOUR, "lw": 2.6},
    MIX: {"color": MIX_COLOUR, "ls": "--", "lw": 1.6},
    SHUFFLED: {"color": FAINT, "ls": "-.", "lw": 1.2},
    SINGLES: {"color": THEIRS, "lw": 0.8},
    RANDOM: {"color": THEIRS, "ls": (0, (1, 4)), "lw": 1.2},
    ORACLE: {"color": FAINT, "ls": ":", "lw": 1.6},
}
ENDS = ("low", "high")


def trade_off(evaluation: Evaluation) -> str:
    """Draw accuracy against the budget: ours with its band, the others, the models."""

    def draw(axes: "Axes") -> None:
        _curves(axes, evaluation, lambda one: one.curve)
        models = [one for one in evaluation.single_models if one.name in evaluation.models]
        # A free model has no place on a log axis.
        paid = [one for one in models if one.usd_per_1k.value > 0]
        usd = [one.usd_per_1k.value for one in paid]
        accuracy = [one.accuracy.value for one in paid]
        axes.scatter(usd, accuracy, s=22, color=THEIRS, zorder=3, label="one model for all")
        axes.set_ylabel("best accuracy at or under the budget")
        _legend_below(axes)

    return _svg(draw, (9.2, 5.8))


def gain_over_mixture(evaluation: Evaluation) -> str:
    """Draw how far each curve lies above the mix of single models, the oracle's left out."""

    def draw(axes: "Axes") -> None:
        _curves(axes, evaluation, lambda one: one.gain_over_mixture, scale=100, without=(ORACLE,))
        axes.set_ylabel("points above the mix of models")
        _legend_below(axes)

    return _svg(draw, (9.2, 4.6))


def differences(evaluation: Evaluation) -> str:
    """Draw the difference of area to every other way, with its interval."""

    def draw(axes: "Axes") -> None:
        others = [one for one in evaluation.leaderboard if one.name not in (OURS, ORACLE)]
        for y, one in enumerate(reversed(others)):
            gap = one.difference
            known = gap.low > 0 or gap.high < 0
            color = OUR_COLOUR if gap.value >= 0 else OTHERS[2]
            axes.plot([100 * gap.low, 100 * gap.high], [y, y], color=color, lw=2.2)
            face = color if known else "white"
            axes.plot(100 * gap.value, y, "o", ms=7, color=face, mec=color, mew=1.8)
        axes.set_yticks(range(len(others)), [one.name for one in reversed(others)])
        axes.axvline(0, color=THEIRS, lw=0.9)
        axes.set_xlabel("area of scope minus area of the other, points (95 % interval)")

    return _svg(draw, (9.2, 3.6))


def reliability(evaluation: Evaluation) -> str:
    """Draw what came of forecasts of about the same probability."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--", label="perfectly calibrated")
        shown = [(quality, OTHERS[2], 1.0) for quality in evaluation.quality[1:2]]
        shown.append((evaluation.quality[0], OUR_COLOUR, 2.2))
        for quality, color, width in shown:
            bins = quality.pooled.bins
            p, share = [one.mean_p for one in bins], [one.share_correct for one in bins]
            label = f"{quality.name}: ECE {quality.pooled.ece:.3f}"
            axes.plot(p, share, "o-", color=color, lw=width, ms=4.5, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("foretold probability, mean of the bin")
        axes.set_ylabel("share of right answers")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return _svg(draw, (5.2, 5.0))


def planned_vs_realised(evaluation: Evaluation) -> str:
    """Draw the real bill of every setting against the planned one."""

    def draw(axes: "Axes") -> None:
        usd = [one.planned_usd_per_1k for one in evaluation.planned_costs]
        ends = [min(usd), max(usd)]
        axes.plot(ends, ends, color=FAINT, lw=1, ls="--", label="as planned")
        for kind, style in (("budget", {"fmt": "s"}), ("alpha", {"fmt": "o", "mfc": "white"})):
            _cost_error_bars(
                axes, [one for one in evaluation.planned_costs if one.name.startswith(kind)], style
            )
        _money_axis(axes)
        if axes.get_xscale() == "log":
            axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"${value:g}")
        axes.set_xlabel("planned USD per 1,000 questions")
        axes.set_ylabel("real USD per 1,000 questions")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return _svg(draw, (5.2, 5.0))


def _cost_error_bars(
    axes: "Axes", rows: Sequence[PlannedVsRealised], style: dict[str, Any]
) -> None:
    if not rows:
        return
    real = np.array([one.usd_per_1k.value for one in rows])
    low, high = (np.array([getattr(one.usd_per_1k, end) for one in rows]) for end in ENDS)
    axes.errorbar(
        [one.planned_usd_per_1k for one in rows],
        real,
        yerr=[real - low, high - real],
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
    """Draw what `read` takes from every standing, against the budget."""
    usd = evaluation.budgets_usd_per_1k
    colours = iter(cycle(OTHERS))
    for one in reversed(evaluation.leaderboard):  # ours last, on top
        if one.name in without:
            continue
        style = STYLES.get(one.name) or {"color": next(colours), "lw": 1.1}
        value = scale * np.array([interval.value for interval in read(one)])
        axes.plot(usd, value, label=one.name, **style)
    ours = read(evaluation.standing(OURS))
    low, high = (scale * np.array([getattr(one, end) for one in ours]) for end in ENDS)
    axes.fill_between(usd, low, high, color=OUR_COLOUR, alpha=0.12, lw=0)
    _money_axis(axes)


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
