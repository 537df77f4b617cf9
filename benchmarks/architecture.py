"""Draw the rooms of the three packages and the imports between them.

``python -m benchmarks.architecture docs/architecture.svg`` reads the imports of every module. A
room stands above all rooms that it imports; an arrow that follows from two others is left out.
"""

import ast
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "scope", "pipelines")
COLOURS = {"scope": "#dbe9f6", "deployments": "#fde6d2", "pipelines": "#e0f0dc"}
WIDTH, HEIGHT, GAP = 2.05, 0.62, 0.2
"""Of a box and between boxes, inches."""

Graph = dict[str, set[str]]


def rooms_of(package: str) -> Graph:
    """Return each room of a package and the rooms of the same package that it imports."""
    folders = sorted(path.parent for path in (ROOT / package).glob("*/__init__.py"))
    graph: Graph = {folder.name: set() for folder in folders}
    for folder in folders:
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                module = node.module if isinstance(node, ast.ImportFrom) else None
                parts = (module or "").split(".")
                if parts[0] == package and len(parts) > 1 and parts[1] in graph:
                    graph[folder.name].add(parts[1])
        graph[folder.name].discard(folder.name)
    return graph


def floors_of(graph: Graph) -> dict[str, int]:
    """Return the floor of each room: 0 if it imports none, else one above the highest of them."""
    floors: dict[str, int] = {}
    while len(floors) < len(graph):
        for room, imported in graph.items():
            if imported <= floors.keys():
                floors[room] = 1 + max((floors[other] for other in imported), default=-1)
    return floors


def reduced(graph: Graph) -> Graph:
    """Leave out an import that other imports lead to anyway."""

    def reached(room: str) -> set[str]:
        return graph[room].union(*(reached(other) for other in graph[room]))

    return {
        room: imported - set().union(*(reached(other) for other in imported))
        for room, imported in graph.items()
    }


def draw_package(axes: Axes, package: str, left: float, columns: int) -> float:
    """Draw the rooms of a package from `left` on; return the height of its highest floor."""
    graph = rooms_of(package)
    floors = floors_of(graph)
    centre: dict[str, tuple[float, float]] = {}
    bottom = 0.0
    for floor in range(max(floors.values()) + 1):
        names = sorted(room for room, its_floor in floors.items() if its_floor == floor)
        for start in range(0, len(names), columns):
            row = names[start : start + columns]
            span = len(row) * WIDTH + (len(row) - 1) * GAP
            first = left + (columns * (WIDTH + GAP) - GAP - span) / 2
            for place, room in enumerate(row):
                centre[room] = (first + place * (WIDTH + GAP) + WIDTH / 2, bottom + HEIGHT / 2)
            bottom += HEIGHT + 0.5
    for room, imported in reduced(graph).items():
        for other in imported:
            (x, y), (other_x, other_y) = centre[room], centre[other]
            axes.add_patch(
                FancyArrowPatch(
                    (x, y - HEIGHT / 2),
                    (other_x, other_y + HEIGHT / 2),
                    arrowstyle="-|>",
                    mutation_scale=8,
                    color="#8a8a8a",
                    lw=0.8,
                )
            )
    for room, (x, y) in centre.items():
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        box = FancyBboxPatch(
            corner, WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08", fc=COLOURS[package]
        )
        axes.add_patch(box)
        n_modules = len(list((ROOT / package / room).glob("*.py"))) - 1
        axes.text(x, y + 0.08, room, ha="center", va="center", fontsize=9)
        axes.text(x, y - 0.17, f"{n_modules} modules", ha="center", va="center", fontsize=7)
    return bottom


def main(output: str) -> None:
    """Draw all three packages side by side, `scope` in the middle."""
    figure, axes = plt.subplots(figsize=(15, 10))
    left, tops = 0.0, []
    for package, columns in zip(PACKAGES, (2, 3, 2), strict=True):
        width = columns * (WIDTH + GAP) - GAP
        top = draw_package(axes, package, left, columns)
        axes.text(left + width / 2, top + 0.05, f"{package}/", ha="center", fontsize=14)
        tops.append((left, width, top))
        left += width + 1.1
    for start, end in ((0, 1), (2, 1)):
        (x, width, _), (scope_x, scope_width, _) = tops[start], tops[end]
        begin = x + width + 0.15 if start < end else x - 0.15
        stop = scope_x - 0.15 if start < end else scope_x + scope_width + 0.15
        arrow = FancyArrowPatch((begin, 3), (stop, 3), arrowstyle="-|>", mutation_scale=22, lw=2.5)
        axes.add_patch(arrow)
        axes.text((begin + stop) / 2, 3.15, "imports", ha="center", fontsize=9)
    axes.set_xlim(-0.2, left - 0.9)
    axes.set_ylim(-0.2, max(top for _, _, top in tops) + 0.5)
    axes.set_aspect("equal")
    axes.axis("off")
    matplotlib.rcParams["svg.hashsalt"] = "architecture"
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure.savefig(output, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
