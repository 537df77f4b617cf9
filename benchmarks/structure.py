"""Measure the structure of a checkout, so that before and after can be compared.

``python -m benchmarks.structure [ROOT] [--json]`` reads the sources under ROOT and runs none:
modules per folder, the longest chain of imports, circles, classes of one name, lengths and
parameters of functions, lines, ``getattr`` by a computed name.

``cd ROOT && PYTHONPATH=ROOT python .../benchmarks/structure.py --frames`` runs one chat request
in this process against an upstream of the tests, and prints the deepest stack of frames of
`scope` and `deployments`, and how many modules and functions of theirs the request touches.

What counts as what: a module-level import is one that loading the module runs, a lazy one
stands in a function, and those under ``TYPE_CHECKING`` are a kind of their own. A name imported
from a package is followed through its ``__init__`` to the module that defines it; the package's
``__init__`` itself is meant only where it defines the name. That importing any submodule runs
the ``__init__`` above it is not counted.
"""

import argparse
import ast
import io
import json
import math
import statistics
import sys
import tempfile
import threading
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGES = ("scope", "deployments", "pipelines")
KINDS = ("module", "lazy", "typing")
MAX_PARAMETERS = 6
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}

Graph = dict[str, set[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Target = tuple[str, str | None]
"""A module, and the name taken from it; None: the module itself."""


# One file.


@dataclass(frozen=True)
class Module:
    """A file and what is written in it; ``name`` ends in ``__init__`` for that of a package."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        """Its dotted name from the root."""
        return ".".join(self.path.relative_to(self.root).with_suffix("").parts)

    @property
    def folder(self) -> str:
        """Its folder as seen from the root."""
        return self.path.parent.relative_to(self.root).as_posix()

    @property
    def is_package(self) -> bool:
        """Whether it is an ``__init__``."""
        return self.path.stem == "__init__"

    @cached_property
    def text(self) -> str:
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its source, parsed."""
        return ast.parse(self.text)

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that are neither blank nor comment nor docstring."""
        return lines_with_tokens(self.text) - lines_of_docstrings(self.tree)

    @cached_property
    def functions(self) -> list[tuple[str, Function]]:
        """Every function with its qualified name, nested ones and methods too."""
        return list(functions_in(self.tree, f"{self.name}:"))

    @cached_property
    def imports(self) -> list[tuple[str, str, Target]]:
        """Every import as its kind, the name it binds, and what it imports."""
        found = imports_in(self.tree, "module")
        return [(kind, *one) for kind, node in found for one in self._targets(node)]

    def _targets(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
        """Yield what one import statement binds and imports."""
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, (alias.name, None)) for alias in node.names)
            return
        above = self.name.split(".")[: -node.level] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        yield from ((alias.asname or alias.name, (source, alias.name)) for alias in node.names)

    @cached_property
    def defined(self) -> set[str]:
        """Names that its top level defines, imported ones left out."""
        scopes = Function | ast.ClassDef
        names = {node.name for node in self.tree.body if isinstance(node, scopes)}
        rest = (node for node in self.tree.body if not isinstance(node, scopes))
        found = (node for top in rest for node in ast.walk(top) if isinstance(node, ast.Name))
        return names | {node.id for node in found if isinstance(node.ctx, ast.Store)}


def lines_with_tokens(text: str) -> set[int]:
    """Return the numbers of the lines that are neither blank nor only a comment."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return {number for number, line in enumerate(text.splitlines(), 1) if line.strip()} & lines


def lines_of_docstrings(tree: ast.Module) -> set[int]:
    """Return the numbers of the lines of strings that stand alone, after assignments too."""
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    found = (node for node in alone if isinstance(node, ast.Constant))
    strings = (node for node in found if isinstance(node.value, str))
    return {line for node in strings for line in span(node)}


def span(node: ast.stmt | ast.expr) -> range:
    """Return the numbers of the lines of a node."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def functions_in(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Yield every function below a node with its qualified name."""
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, Function | ast.ClassDef):
            inner = f"{prefix}{child.name}."
        if isinstance(child, Function):
            yield inner[:-1], child
        yield from functions_in(child, inner)


def imports_in(node: ast.AST, kind: str) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Yield every import statement below a node with its kind."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield kind, node
        return
    if isinstance(node, Function):
        kind = "lazy"
    typing = node.body if isinstance(node, ast.If) and is_typing(node.test) else []
    for child in ast.iter_child_nodes(node):
        yield from imports_in(child, "typing" if child in typing else kind)


def is_typing(test: ast.expr) -> bool:
    """Say whether a condition is ``TYPE_CHECKING``."""
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def read_modules(root: Path, folders: Iterable[str]) -> list[Module]:
    """Return every file of Python below these folders of the root."""
    paths = (path for folder in folders for path in sorted((root / folder).rglob("*.py")))
    return [Module(root, path) for path in paths]


# Imports between files.


class Project:
    """The modules of a checkout by name, and who imports whom."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {module.name: module for module in modules}

    def home(self, dotted: str) -> str | None:
        """Return the file that stands for a dotted name, None if none of ours does."""
        names = (dotted, f"{dotted}.__init__")
        return next((name for name in names if name in self.modules), None)

    def defining(
        self, dotted: str, name: str | None, seen: frozenset[Target] = frozenset()
    ) -> str | None:
        """Return the file that an import means, followed through the ``__init__`` of packages."""
        home = self.home(dotted)
        if name is None or (home and not self.modules[home].is_package):
            return home
        if home and (dotted, name) not in seen:
            if name in self.modules[home].defined:
                return home
            if found := self._passed_on(home, name, seen | {(dotted, name)}):
                return found
        return self.home(f"{dotted}.{name}") or home

    def _passed_on(self, home: str, name: str, seen: frozenset[Target]) -> str | None:
        """Return the file from which an ``__init__`` has a name that it does not define."""
        for kind, bound, (source, original) in self.modules[home].imports:
            if kind == "lazy" or original is None:
                continue
            if bound == name and (found := self.defining(source, original, seen)):
                return found
            if bound == "*" and self._offers(source, name):
                return self.defining(source, name, seen)
        return None

    def _offers(self, source: str, name: str) -> bool:
        """Say whether a star import of a module brings a name."""
        home = self.home(source)
        module = self.modules.get(home or "")
        return module is not None and name in {*module.defined, *(one[1] for one in module.imports)}

    def graph(self, kinds: Iterable[str]) -> Graph:
        """Return which modules each module imports, by imports of these kinds."""
        graph: Graph = {name: set() for name in self.modules}
        for name, module in self.modules.items():
            targets = (target for kind, _, target in module.imports if kind in kinds)
            homes = {self.defining(*target) for target in targets}
            graph[name] = {home for home in homes if home} - {name}
        return graph

    def folder_graph(self) -> Graph:
        """Return which folders each folder imports; what an ``__init__`` passes on is left out."""
        graph: Graph = defaultdict(set)
        for name, targets in self.graph(KINDS).items():
            module = self.modules[name]
            for folder in (self.modules[target].folder for target in targets):
                below = module.is_package and f"{folder}/".startswith(f"{module.folder}/")
                if folder != module.folder and not below:
                    graph[module.folder].add(folder)
        return graph

    def entry(self) -> str:
        """Return the module that wires the service."""
        ours = [name for name in self.modules if name.startswith("deployments.")]
        found = (name for stem in (".app", ".ingress") for name in ours if name.endswith(stem))
        return next(found)


def reached(graph: Graph, start: str) -> set[str]:
    """Return what can be reached from a node by one step or more."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def groups(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return for each node all that it shares a circle with, itself among them."""
    reach = {node: reached(graph, node) for node in graph}
    mutual = {node: {one for one in reach[node] if node in reach.get(one, ())} for node in graph}
    return {node: tuple(sorted(mutual[node] | {node})) for node in graph}


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """Return the groups of nodes that reach each other."""
    return sorted({group for group in groups(graph).values() if len(group) > 1})


def longest_chain(graph: Graph) -> list[str]:
    """Return the longest chain from importer to imported; a circle counts as all its members."""
    group_of = groups(graph)
    known: dict[tuple[str, ...], list[str]] = {}

    def chain(group: tuple[str, ...]) -> list[str]:
        """Return the longest chain that starts in a group."""
        if group not in known:
            below = {group_of[to] for node in group for to in graph[node]} - {group}
            longest = max((chain(one) for one in sorted(below)), key=len, default=[])
            known[group] = [*group, *longest]
        return known[group]

    return max((chain(group) for group in sorted(set(group_of.values()))), key=len, default=[])


# What is reported.


def folder_sizes(modules: Iterable[Module]) -> dict[str, int]:
    """Return how many modules stand in each folder, ``__init__`` and ``__main__`` left out."""
    sizes: Counter[str] = Counter()
    for module in modules:
        sizes[module.folder] += module.path.stem not in ("__init__", "__main__")
    return dict(sorted(sizes.items()))


def repeated_classes(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Return the names that classes of several modules have, and those modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.name)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def length_of(module: Module, function: Function) -> int:
    """Return the lines of code of a function from its ``def`` on, nested functions included."""
    return len(module.code_lines.intersection(span(function)))


def lengths(modules: Iterable[Module]) -> dict[str, Any]:
    """Return how long functions are: median, 90th percentile and the longest."""
    sizes = sorted(
        (length_of(module, function), name)
        for module in modules
        for name, function in module.functions
    )
    return {
        "functions": len(sizes),
        "median": statistics.median(size for size, _ in sizes),
        "p90": sizes[math.ceil(0.9 * len(sizes)) - 1][0],
        "max": sizes[-1][0],
        "longest": sizes[-1][1],
        "above_25": sum(size > 25 for size, _ in sizes),
    }


def parameters(function: Function) -> int:
    """Return the number of parameters without ``self``, ``cls``, ``*args`` and ``**kwargs``."""
    places = [*function.args.posonlyargs, *function.args.args]
    own = bool(places) and places[0].arg in ("self", "cls")
    return len(places) - own + len(function.args.kwonlyargs)


def is_command(module: Module) -> bool:
    """Say whether a module holds commands of the command line."""
    by_name = module.path.stem.endswith(("_command", "_commands"))
    return module.folder.startswith("pipelines") and (by_name or "/commands" in module.folder)


def many_parameters(modules: Iterable[Module]) -> dict[str, Any]:
    """Return the functions with too many parameters, and how many of them are commands."""
    many = [
        (name, is_command(module))
        for module in modules
        for name, function in module.functions
        if parameters(function) > MAX_PARAMETERS
    ]
    commands = sum(command for _, command in many)
    return {"count": len(many), "in_commands": commands, "names": [name for name, _ in many]}


def computed_getattrs(modules: Iterable[Module]) -> int:
    """Return the number of calls of ``getattr`` whose name is no literal."""
    nodes = (node for module in modules for node in ast.walk(module.tree))
    calls = (node for node in nodes if isinstance(node, ast.Call) and len(node.args) > 1)
    named = (call for call in calls if ast.unparse(call.func) == "getattr")
    return sum(not isinstance(call.args[1], ast.Constant) for call in named)


def line_counts(root: Path) -> dict[str, dict[str, int]]:
    """Return lines of code and raw lines of the packages and the tests."""
    counts = {}
    for folder in (*PACKAGES, "tests"):
        modules = read_modules(root, [folder])
        code = sum(len(module.code_lines) for module in modules)
        raw = sum(len(module.text.splitlines()) for module in modules)
        counts[folder] = {"files": len(modules), "code": code, "raw": raw}
    return counts


def measured(root: Path) -> dict[str, Any]:
    """Return all that can be read off the sources."""
    project = Project(read_modules(root, PACKAGES))
    modules = list(project.modules.values())
    loaded = project.graph(["module"])
    entry = project.entry()
    return {
        "root": str(root),
        "folders": folder_sizes(modules),
        "chain": longest_chain(loaded),
        "entry": entry,
        "entry_reaches": sorted(reached(loaded, entry) - {entry}),
        "module_circles": circles(project.graph(KINDS)),
        "folder_circles": circles(project.folder_graph()),
        "repeated_classes": repeated_classes(modules),
        "lengths": lengths(modules),
        "many_parameters": many_parameters(modules),
        "lines": line_counts(root),
        "computed_getattrs": computed_getattrs(modules),
    }


def row(name: str, value: object, more: str = "") -> str:
    """Return one line of the table."""
    return f"{name:<34}{value!s:>8}  {more}".rstrip()


def folder_rows(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on folders."""
    sizes = found["folders"]
    yield row("modules", sum(sizes.values()))
    yield from (row(f"  {folder}", size) for folder, size in sizes.items())
    largest = max(sizes, key=sizes.__getitem__)
    yield row("largest folder", sizes[largest], largest)


def import_rows(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on imports."""
    yield row("floors (longest import chain)", len(found["chain"]))
    yield from (f"    {depth:>2} {name}" for depth, name in enumerate(found["chain"], 1))
    shares = Counter(name.split(".")[0] for name in found["entry_reaches"])
    told = ", ".join(f"{package} {count}" for package, count in sorted(shares.items()))
    yield row(f"{found['entry']} reaches", len(found["entry_reaches"]), told)
    for kind in ("module", "folder"):
        yield row(f"circles of {kind}s", len(found[f"{kind}_circles"]))
        yield from (f"    {' <-> '.join(circle)}" for circle in found[f"{kind}_circles"])


def code_rows(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on classes and functions."""
    yield row("class names defined repeatedly", len(found["repeated_classes"]))
    yield from (f"    {name}: {', '.join(at)}" for name, at in found["repeated_classes"].items())
    size, many = found["lengths"], found["many_parameters"]
    yield row("functions", size["functions"])
    yield row("  lines of code, median", f"{size['median']:g}")
    yield row("  lines of code, p90", size["p90"])
    yield row("  lines of code, max", size["max"], size["longest"])
    yield row("  above 25 lines of code", size["above_25"])
    more = f"of them {many['in_commands']} in modules of commands"
    yield row(f"  more than {MAX_PARAMETERS} parameters", many["count"], more)
    yield row("getattr by a computed name", found["computed_getattrs"])


def line_rows(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on lines."""
    lines = found["lines"]
    ours = {key: sum(lines[one][key] for one in PACKAGES) for key in ("files", "code", "raw")}
    for name, count in {"three packages": ours, **lines}.items():
        more = f"raw {count['raw']} in {count['files']} files"
        yield row(f"lines of code, {name}", count["code"], more)


# Frames of one request.


@dataclass
class Watch:
    """Follows every call of one request, over the threads and tasks that it starts.

    Comprehensions are no frames of their own here: whether they are one differs by version of
    Python.
    """

    root: Path
    on: bool = False
    touched: set[CodeType] = field(default_factory=set)
    deepest: tuple[CodeType, ...] = ()
    deepest_joined: tuple[CodeType, ...] = ()
    started: dict[object, tuple[CodeType, ...]] = field(default_factory=dict)
    """The stack from which each task (by its frame) and each work of a thread was started."""

    def __post_init__(self) -> None:
        self._ours = tuple(f"{self.root / package}/" for package in ("scope", "deployments"))

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Take note of a call, as ``sys.setprofile`` wants it."""
        if not self.on or event != "call":
            return
        code = frame.f_code
        if code.co_qualname == "BaseEventLoop.create_task":
            self._start(getattr(frame.f_locals["coro"], "cr_frame", None), frame)
        elif code.co_qualname == "_WorkItem.__init__":
            self._start(frame.f_locals["self"], frame)
        elif self._is_ours(code):
            self.touched.add(code)
            alone, joined = self._stack(frame)
            self.deepest = max(self.deepest, alone, key=len)
            self.deepest_joined = max(self.deepest_joined, joined, key=len)

    def _is_ours(self, code: CodeType) -> bool:
        """Say whether code is a function of the project."""
        whole = not code.co_name.startswith("<") or code.co_name == "<lambda>"
        return whole and code.co_filename.startswith(self._ours)

    def _start(self, started: object, frame: FrameType) -> None:
        """Remember from where a task or a work of a thread was started."""
        self.started[started] = self._stack(frame)[1]

    def _stack(self, frame: FrameType) -> tuple[tuple[CodeType, ...], tuple[CodeType, ...]]:
        """Return the frames of the project, outermost first: of this task, and with its origin."""
        alone: list[CodeType] = []
        at: FrameType | None = frame
        origin: tuple[CodeType, ...] = ()
        while at is not None:
            if self._is_ours(at.f_code):
                alone.insert(0, at.f_code)
            is_work = at.f_code.co_qualname == "_WorkItem.run"
            found = self.started.get(at.f_locals["self"] if is_work else at)
            if found is not None:
                origin = found
                break
            at = at.f_back
        return tuple(alone), (*origin, *alone)


def label(root: Path, code: CodeType) -> str:
    """Return module and qualified name of a function."""
    place = Path(code.co_filename).relative_to(root).with_suffix("")
    return f"{'.'.join(place.parts)}:{code.co_qualname}"


def frames(root: Path) -> dict[str, Any]:
    """Watch one chat request, after another one that warmed all up."""
    sys.path[0:0] = [str(root)]
    watch = Watch(root)
    threading.setprofile(watch)
    sys.setprofile(watch)
    with one_chat_request(root) as ask:
        ask("a sum")
        watch.on = True
        status = ask("another sum")
        watch.on = False
    sys.setprofile(None)
    threading.setprofile(None)
    return {
        "root": str(root),
        "status": status,
        "deepest": [label(root, code) for code in watch.deepest],
        "deepest_joined": [label(root, code) for code in watch.deepest_joined],
        "modules": sorted({label(root, code).split(":")[0] for code in watch.touched}),
        "functions": sorted({label(root, code) for code in watch.touched}),
    }


def frame_rows(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on frames."""
    yield row("status of the answer", found["status"])
    yield row("modules touched", len(found["modules"]))
    yield row("functions touched", len(found["functions"]))
    yield row("deepest stack in a task or thread", len(found["deepest"]))
    yield from (f"    {depth:>2} {name}" for depth, name in enumerate(found["deepest"], 1))
    yield row("deepest stack, tasks joined", len(found["deepest_joined"]))
    yield from (f"    {depth:>2} {name}" for depth, name in enumerate(found["deepest_joined"], 1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path)
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--frames", action="store_true", help="watch one chat request instead")
    told = parser.parse_args()
    here = Path.cwd() if told.frames else Path(__file__).parents[1]
    root = (told.root or here).resolve()
    found = frames(root) if told.frames else measured(root)
    parts = (frame_rows,) if told.frames else (folder_rows, import_rows, code_rows, line_rows)
    rows = [line for part in parts for line in part(found)]
    print(json.dumps(found, indent=1) if told.json else "\n".join([f"{root}", *rows]))


# All that depends on names of the project.


@contextmanager
def one_chat_request(root: Path) -> Iterator[Callable[[str], int]]:
    """Serve a Router in this process; yields what posts one chat and returns its status."""
    from tests.deployments.local import Site
    from tests.upstream import running

    assert Path(sys.modules["tests"].__file__ or "").is_relative_to(root), "tests of elsewhere"
    with running({}) as upstream, tempfile.TemporaryDirectory() as folder:
        told = {"base_url": upstream.base_url, "timeout_s": 5.0}
        upstreams = {"small": told, "large": told}
        with Site(Path(folder)).open(policy={"min_quality": 0.6}, upstreams=upstreams) as client:

            def ask(prompt: str) -> int:
                """Post one chat."""
                body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
                return client.post("/v1/chat/completions", json=body).status_code

            yield ask


if __name__ == "__main__":
    main()
