"""Measure the structure of a checkout: ``python -m benchmarks.structure [ROOT]``.

From the sources: modules per folder, import circles, class names defined twice, length and
parameters of functions, lines. From one chat request, served in this process against a fake
upstream of the tests of ROOT: the deepest stack of project frames, the modules and functions it
touches, and the shapes a prompt takes: the project classes of arguments and results that hold
its text in an attribute or in a container there.

A name imported from a package counts as an import of the module that defines it, found through
the ``__init__`` of the package; imports in functions and under ``TYPE_CHECKING`` count too.
"""

import argparse
import ast
import io
import math
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

PACKAGES = ("scope", "deployments", "pipelines")
ONLINE = ("scope", "deployments")
"""Packages whose frames and classes count in a request."""
MAX_PARAMETERS = 6
MAX_CONTAINER = 100
"""Larger containers are not searched for the prompt."""
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
NO_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}

Graph = dict[str, set[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file; the `name` of a package ends in ``__init__``."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        """Dotted name from the root."""
        return ".".join(self.path.relative_to(self.root).with_suffix("").parts)

    @property
    def folder(self) -> str:
        """Folder relative to the root."""
        return self.path.parent.relative_to(self.root).as_posix()

    @cached_property
    def text(self) -> str:
        """Source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Parsed source."""
        return ast.parse(self.text)

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that are neither blank nor comment nor docstring."""
        lines = {n for n, line in enumerate(self.text.splitlines(), 1) if line.strip()}
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        code = (token for token in tokens if token.type not in NO_CODE)
        lines &= {n for token in code for n in range(token.start[0], token.end[0] + 1)}
        for node in ast.walk(self.tree):
            match node:
                case ast.Expr(value=ast.Constant(value=str())):
                    lines -= set(span(node))
        return lines

    @cached_property
    def imports(self) -> list[tuple[str, str, str | None]]:
        """Every import as bound name, module, and imported name (None: the module itself)."""
        found: list[tuple[str, str, str | None]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(alias.asname or alias.name, alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = self.name.split(".")[: -node.level] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                found += [(alias.asname or alias.name, source, alias.name) for alias in node.names]
        return found


def span(node: ast.stmt) -> range:
    """Return the line numbers of a statement."""
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


def read_modules(root: Path, folders: Iterable[str]) -> list[Module]:
    """Return every Python file in these folders of the root."""
    paths = (path for folder in folders for path in sorted((root / folder).rglob("*.py")))
    return [Module(root, path) for path in paths]


# Imports.


def defining_module(modules: dict[str, Module], source: str, name: str | None) -> str | None:
    """Return the module that defines an imported name; None if it is not in the project."""
    if source in modules:
        return source
    package = f"{source}.__init__"
    if name is None or package not in modules:
        return package if package in modules else None
    for bound, inner_source, original in modules[package].imports:
        if bound == name and (inner_source, original) != (source, name):
            return defining_module(modules, inner_source, original)
    submodules = (f"{source}.{name}", f"{source}.{name}.__init__")
    return next((module for module in submodules if module in modules), package)


def import_graph(modules: dict[str, Module]) -> Graph:
    """Return the modules that each module imports."""
    graph = {}
    for name, module in modules.items():
        found = {defining_module(modules, source, what) for _, source, what in module.imports}
        graph[name] = {target for target in found if target} - {name}
    return graph


def room_graph(modules: dict[str, Module], graph: Graph) -> Graph:
    """Return the rooms that each room imports, without re-exports by an ``__init__``.

    A room is a sub-package, or a module directly in one of the packages.
    """
    room = {name: m.folder if "/" in m.folder else name for name, m in modules.items()}
    rooms: Graph = defaultdict(set)
    for name, targets in graph.items():
        if not (name.endswith("__init__") and "/" not in modules[name].folder):
            rooms[room[name]] |= {room[target] for target in targets} - {room[name]}
    return rooms


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the nodes that can be reached from a node in one or more steps."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """Return the groups of nodes that reach each other."""
    reach = {node: reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach.get(other, ())))
        for node in graph
    }
    return sorted(group for group in groups if len(group) > 1)


# Rows of the report.


def row(name: str, value: object, more: str = "") -> str:
    """Return one line."""
    return f"{name:<34}{value!s:>8}  {more}".rstrip()


def module_rows(modules: list[Module]) -> Iterator[str]:
    """Yield modules per folder, without ``__init__`` and ``__main__``, and the circles."""
    named = [module for module in modules if module.path.stem not in ("__init__", "__main__")]
    sizes = sorted(Counter(module.folder for module in named).items())
    yield row("modules", len(named), f"in {len(sizes)} folders")
    yield from (row(f"  {folder}", size) for folder, size in sizes)
    by_name = {module.name: module for module in modules}
    graph = import_graph(by_name)
    for kind, edges in (("modules", graph), ("rooms", room_graph(by_name, graph))):
        found = circles(edges)
        yield row(f"circles of {kind}", len(found))
        yield from (f"    {' <-> '.join(circle)}" for circle in found)


def class_rows(modules: list[Module]) -> Iterator[str]:
    """Yield the class names that are defined in several modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.name)
    repeated = {name: names for name, names in sorted(places.items()) if len(names) > 1}
    yield row("class names defined twice", len(repeated))
    yield from (f"    {name}: {', '.join(names)}" for name, names in repeated.items())


def n_parameters(function: Function) -> int:
    """Return the number of parameters without ``self``, ``cls``, ``*args`` and ``**kwargs``."""
    positional = [*function.args.posonlyargs, *function.args.args]
    bound = bool(positional) and positional[0].arg in ("self", "cls")
    return len(positional) - bound + len(function.args.kwonlyargs)


def function_rows(modules: list[Module]) -> Iterator[str]:
    """Yield lines of code (from ``def``, with nested functions) and parameters of functions."""
    functions = [(m, *item) for m in modules for item in functions_in(m.tree, f"{m.name}:")]
    sizes = sorted((len(m.code_lines.intersection(span(f))), name) for m, name, f in functions)
    yield row("functions", len(sizes))
    yield row("  lines of code, p90", sizes[math.ceil(0.9 * len(sizes)) - 1][0])
    yield row("  lines of code, max", *sizes[-1])
    many = [name for _, name, function in functions if n_parameters(function) > MAX_PARAMETERS]
    yield row(f"  more than {MAX_PARAMETERS} parameters", len(many))
    yield from (f"    {name}" for name in many)


def line_rows(root: Path) -> Iterator[str]:
    """Yield lines of code and raw lines of the packages and the tests."""
    parts = {"packages": PACKAGES, **{folder: (folder,) for folder in (*PACKAGES, "tests")}}
    for name, folders in parts.items():
        modules = read_modules(root, folders)
        code = sum(len(module.code_lines) for module in modules)
        raw = sum(len(module.text.splitlines()) for module in modules)
        yield row(f"lines of code, {name}", code, f"{raw} with comments and blank lines")


# One request.


@dataclass
class RequestTrace:
    """Profile function that follows one request over the threads and tasks that it starts."""

    root: Path
    prompt: str
    on: bool = False
    touched: set[CodeType] = field(default_factory=set)
    deepest: tuple[CodeType, ...] = ()
    shapes: set[str] = field(default_factory=set)
    """Project classes with an attribute that holds the prompt."""
    started: dict[object, tuple[CodeType, ...]] = field(default_factory=dict)
    """The stack that started each task (by its frame) and each work item of a thread."""

    def __post_init__(self) -> None:
        self._folders = tuple(f"{self.root / package}/" for package in ONLINE)

    def __call__(self, frame: FrameType, event: str, value: object) -> None:
        """Record a call or a return; ``sys.setprofile`` calls this."""
        code = frame.f_code
        if not self.on or event not in ("call", "return"):
            return
        if self._is_project(code):
            for held in [value] if event == "return" else list(frame.f_locals.values()):
                self._record_shape(held)
        if event == "return":
            return
        if code.co_qualname == "BaseEventLoop.create_task":
            self.started[getattr(frame.f_locals["coro"], "cr_frame", None)] = self._stack(frame)
        elif code.co_qualname == "_WorkItem.__init__":
            self.started[frame.f_locals["self"]] = self._stack(frame)
        elif self._is_project(code):
            self.touched.add(code)
            self.deepest = max(self.deepest, self._stack(frame), key=len)

    def _is_project(self, code: CodeType) -> bool:
        # Comprehensions are frames in some versions of Python only.
        named = not code.co_name.startswith("<") or code.co_name == "<lambda>"
        return named and code.co_filename.startswith(self._folders)

    def _record_shape(self, value: object) -> None:
        kind = type(value)
        if kind.__module__.split(".")[0] in ONLINE:
            slots = (slot for base in kind.__mro__ for slot in base.__dict__.get("__slots__", ()))
            held = [getattr(value, slot, None) for slot in slots if isinstance(slot, str)]
            held += getattr(value, "__dict__", {}).values()
            held += value if isinstance(value, tuple) else ()
            if any(self._holds_prompt(item) for item in held):
                self.shapes.add(f"{kind.__module__}:{kind.__qualname__}")

    def _holds_prompt(self, value: object) -> bool:
        """Search texts and containers of the standard library, not other objects."""
        match value:
            case str():
                return self.prompt in value
            case bytes():
                return self.prompt.encode() in value
            case dict() if len(value) <= MAX_CONTAINER:
                return any(self._holds_prompt(item) for item in value.values())
            case list() | tuple() if len(value) <= MAX_CONTAINER:
                return any(self._holds_prompt(item) for item in value)
        return False

    def _stack(self, frame: FrameType) -> tuple[CodeType, ...]:
        """Return the project frames, outermost first, those that started the task included."""
        stack: list[CodeType] = []
        at: FrameType | None = frame
        while at is not None:
            if self._is_project(at.f_code):
                stack.insert(0, at.f_code)
            is_work = at.f_code.co_qualname == "_WorkItem.run"
            origin = self.started.get(at.f_locals["self"] if is_work else at)
            if origin is not None:
                return (*origin, *stack)
            at = at.f_back
        return tuple(stack)


def request_rows(root: Path) -> Iterator[str]:
    """Yield the measurements of one chat request, after another one as a warm-up."""
    sys.path.insert(0, str(root))
    trace = RequestTrace(root, "another sum")
    threading.setprofile(trace)
    sys.setprofile(trace)
    with chat_client(root) as post:
        post("a sum")
        trace.on = True
        status = post(trace.prompt)
        trace.on = False
    sys.setprofile(None)
    threading.setprofile(None)

    def label(code: CodeType) -> str:
        path = Path(code.co_filename).relative_to(root).with_suffix("")
        return f"{'.'.join(path.parts)}:{code.co_qualname}"

    touched = {label(code) for code in trace.touched}
    yield row("one chat request: status", status)
    yield row("  modules touched", len({name.split(":")[0] for name in touched}))
    yield row("  functions touched", len(touched))
    yield row("  longest chain of frames", len(trace.deepest))
    yield from (f"    {depth:>2} {label(code)}" for depth, code in enumerate(trace.deepest, 1))
    yield row("  shapes a prompt takes", len(trace.shapes))
    yield from (f"    {name}" for name in sorted(trace.shapes))


@contextmanager
def chat_client(root: Path) -> Iterator[Callable[[str], int]]:
    """Serve a Router in this process; yields a function that posts a chat, returns its status."""
    from tests.deployments.local import Site
    from tests.upstream import running

    assert Path(sys.modules["tests"].__file__ or "").is_relative_to(root), "tests of elsewhere"
    with running({}) as upstream, tempfile.TemporaryDirectory() as folder:
        endpoint = {"base_url": upstream.base_url, "timeout_s": 5.0}
        upstreams = {"small": endpoint, "large": endpoint}
        with Site(Path(folder)).open(policy={"min_quality": 0.6}, upstreams=upstreams) as client:

            def post(prompt: str) -> int:
                body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
                return client.post("/v1/chat/completions", json=body).status_code

            yield post


def main() -> None:
    """Print all measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    root = parser.parse_args().root.resolve()
    modules = read_modules(root, PACKAGES)
    parts = (module_rows(modules), class_rows(modules), function_rows(modules), line_rows(root))
    print(root, *(line for part in parts for line in part), sep="\n")
    print(*request_rows(root), sep="\n")


if __name__ == "__main__":
    main()
