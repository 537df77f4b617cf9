"""A figure that is addressed in pixels, as a dashboard is laid out."""

from typing import Any

PAGE, PANEL, EDGE, TEXT, FAINT, GRID = (
    "#111217", "#181b1f", "#2a2d33", "#d5d6de", "#9094a3", "#2b2e35",
)  # fmt: skip
"""Grafana's dark colours."""


class Sheet:
    """A figure that is addressed in pixels from its upper left corner."""

    def __init__(self, figure: Any, width_px: float, height_px: float) -> None:  # noqa: ANN401 - matplotlib
        self.figure, self.width_px, self.height_px = figure, width_px, height_px

    def text(self, x: float, y: float, text: str, **style: Any) -> Any:  # noqa: ANN401
        """Write a text; returns it."""
        y = 1 - y / self.height_px
        return self.figure.text(x / self.width_px, y, text.replace("$", r"\$"), **style)

    def axes(self, x: float, y: float, width: float, height: float) -> Any:  # noqa: ANN401
        """Return axes in a rectangle."""
        bottom = 1 - (y + height) / self.height_px
        place = (x / self.width_px, bottom, width / self.width_px, height / self.height_px)
        axes = self.figure.add_axes(place, facecolor="none")
        axes.tick_params(colors=FAINT, labelsize=7, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        from matplotlib.patches import Rectangle

        corner = x / self.width_px, 1 - (y + height) / self.height_px
        size = width / self.width_px, height / self.height_px
        box = Rectangle(corner, *size, facecolor=colour, edgecolor=EDGE, linewidth=0.8, zorder=-1)
        self.figure.add_artist(box)
