"""The architecture, as assertions."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("scope", "deployments", "pipelines")
MAY_IMPORT = {
    "scope": "",
    "scope.prices": "scope",
    "scope.storage": "scope",
    "scope.arms": "scope scope.prices",
    "scope.reasoner": "scope scope.storage",
    "scope.embedding": "scope scope.storage",
    "scope.policy": "scope",
    "scope.forecast": "scope",
    "scope.fusion": "scope scope.storage scope.reasoner scope.policy",
    "scope.bank": (
        "scope scope.arms scope.storage scope.reasoner scope.embedding scope.policy scope.forecast "
        "scope.fusion"
    ),
    "scope.questions": "scope",
    "scope.samples": "scope scope.storage scope.arms scope.questions",
    "scope.learned": (
        "scope scope.storage scope.arms scope.embedding scope.policy scope.bank scope.samples"
    ),
    "scope.routing": (
        "scope scope.arms scope.storage scope.reasoner scope.embedding scope.policy scope.bank"
    ),
    "scope.predictor": "scope scope.embedding scope.forecast scope.bank",
    "scope.traffic": (
        "scope scope.embedding scope.forecast scope.bank scope.questions scope.routing "
        "scope.predictor"
    ),
    "scope.evaluation": (
        "scope scope.arms scope.storage scope.reasoner scope.policy scope.fusion scope.bank "
        "scope.samples scope.routing scope.predictor"
    ),
    "scope.baselines": (
        "scope scope.embedding scope.forecast scope.bank scope.routing scope.evaluation"
    ),
    "scope.saving": (
        "scope scope.policy scope.bank scope.routing scope.evaluation scope.baselines"
    ),
    "scope.report": (
        "scope scope.policy scope.bank scope.routing scope.predictor scope.evaluation "
        "scope.baselines scope.saving"
    ),
    "scope.escalation": (
        "scope scope.policy scope.bank scope.routing scope.predictor scope.evaluation"
    ),
    "scope.reference": "scope scope.storage scope.forecast scope.routing",
    "scope.upstream": "scope scope.prices",
    "deployments.protocol": "",
    "deployments.tracing": "deployments.protocol",
    "deployments.upstream_api": "",
    "deployments.upstream": ("deployments.protocol deployments.tracing deployments.upstream_api"),
    "deployments.telemetry": "deployments.protocol deployments.upstream",
    "deployments.settings": (
        "deployments.protocol deployments.tracing deployments.upstream deployments.telemetry"
    ),
    "deployments.requests": "deployments.protocol deployments.settings",
    "deployments.routing": (
        "deployments.protocol deployments.tracing deployments.telemetry deployments.settings "
        "deployments.requests"
    ),
    "deployments.messages_api": "deployments.protocol",
    "deployments.responses_api": "deployments.protocol",
    "deployments.gateway": (
        "deployments.protocol deployments.tracing deployments.upstream deployments.telemetry "
        "deployments.settings deployments.requests deployments.routing deployments.messages_api "
        "deployments.responses_api"
    ),
    "deployments.replicas": "deployments.protocol",
    "deployments.autoscaling": "",
    "deployments.checks": "deployments.protocol deployments.settings deployments.replicas",
    "deployments.editing": "deployments.checks",
    "deployments.manifests": "deployments.protocol deployments.replicas deployments.checks",
    "deployments": (
        "deployments.protocol deployments.settings deployments.routing deployments.gateway "
        "deployments.replicas"
    ),
    "deployments.profiling": (
        "deployments.protocol deployments.routing deployments.gateway deployments.replicas "
        "deployments.checks"
    ),
    "deployments.planning": (
        "deployments.protocol deployments.replicas deployments.checks deployments.editing "
        "deployments.profiling"
    ),
    "deployments.operate": (
        "deployments.protocol deployments.settings deployments.checks deployments.editing"
    ),
    "deployments.commands": (
        "deployments.protocol deployments.checks deployments.manifests deployments.profiling "
        "deployments.planning deployments.operate deployments"
    ),
    "pipelines.config": "",
    "pipelines.terminal": "",
    "pipelines.cluster": "pipelines.terminal",
    "pipelines.embedding": "pipelines.terminal pipelines.cluster",
    "pipelines.reasoner": (
        "pipelines.config pipelines.terminal pipelines.cluster pipelines.embedding"
    ),
    "pipelines.bank": "pipelines.config pipelines.terminal pipelines.embedding",
    "pipelines.predict": (
        "pipelines.config pipelines.terminal pipelines.cluster pipelines.embedding "
        "pipelines.reasoner pipelines.bank"
    ),
    "pipelines.traffic": "pipelines.terminal pipelines.embedding pipelines.bank",
    "pipelines.imports": "",
    "pipelines.measure": "pipelines.terminal",
    "pipelines.samples": "pipelines.terminal pipelines.cluster pipelines.measure",
    "pipelines.train": "pipelines.terminal pipelines.cluster",
    "pipelines.finetune": (
        "pipelines.terminal pipelines.cluster pipelines.train pipelines.measure"
    ),
    "pipelines.commands": (
        "pipelines.config pipelines.terminal pipelines.cluster pipelines.embedding "
        "pipelines.reasoner pipelines.bank pipelines.predict pipelines.imports pipelines.measure "
        "pipelines.traffic pipelines.samples pipelines.train pipelines.finetune"
    ),
    "pipelines": "pipelines.terminal",
}
"""Room -> rooms of its own package that it may import, ground floor first.

`deployments` and `pipelines` may import all of `scope`, and never each other. ``scope``,
``deployments`` and ``pipelines`` stand for the modules outside any room.
"""
LIGHT = {"scope", "numpy", "scipy", "pydantic", "pyarrow", "yaml", "threadpoolctl"}
HEAVY = {
    "faiss",
    "ray",
    "torch",
    "vllm",
    "transformers",
    "sentence_transformers",
    "httpx",
    "httpx_aiohttp",
    "aiohttp",
    "tenacity",
    "aiolimiter",
    "matplotlib",
    "sklearn",
    "jinja2",
    "datasets",
    "genai_prices",
    "presidio_analyzer",
    "presidio_anonymizer",
    "spacy",
}
TREES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): ast.parse(path.read_text())
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""Module name -> syntax tree; ``scope.bank.__init__`` for the file of a room."""


def imports(tree):
    """Yield every (module, name) that a file imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def module_of(imported, name):
    """The file of ours that an import reads, or None; an exported name is in its own file."""
    if name and f"{imported}.{name}" in TREES:
        return f"{imported}.{name}"
    if imported in TREES:
        return imported
    if f"{imported}.{name}.__init__" in TREES:
        return f"{imported}.{name}.__init__"
    if f"{imported}.__init__" in TREES:
        for inner, inner_name in imports(TREES[f"{imported}.__init__"]):
            if inner_name == name:
                return module_of(inner, inner_name)
        return f"{imported}.__init__"
    return None


def room_of(module):
    """The room a module belongs to, as `MAY_IMPORT` names it."""
    if module in MAY_IMPORT:
        return module
    return module.rpartition(".")[0]


def libraries(tree):
    """Top-level names that a file imports, wherever the import stands."""
    return {module.split(".")[0] for module, _ in imports(tree)}


def test_the_table_lists_the_ground_floor_first():
    """
    A room may import only rooms above it in the table, so that no circle can be allowed.
    """
    rooms = list(MAY_IMPORT)

    for place, room in enumerate(rooms):
        assert set(MAY_IMPORT[room].split()) <= set(rooms[:place]), room


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_down(room):
    """
    A room imports only what the table allows, and `scope` from the other two packages.
    """
    allowed = {room, *MAY_IMPORT[room].split()}
    modules = [
        module
        for module in TREES
        if room_of(module) == room and not (room == "scope" and module == "scope.__init__")
    ]

    assert modules
    for module in modules:
        for imported, name in imports(TREES[module]):
            target = module_of(imported, name)
            if target is None or (target.startswith("scope.") and not room.startswith("scope")):
                continue
            assert room_of(target) in allowed, f"{module} imports {target}"


def test_every_room_is_in_the_table():
    """
    A new folder names what it may import before it does.
    """
    assert {room_of(module) for module in TREES} == set(MAY_IMPORT)


def test_every_room_says_what_it_is_for():
    """
    In one sentence, at the head of its `__init__.py`.
    """
    for module, tree in TREES.items():
        if module.endswith(".__init__"):
            assert ast.get_docstring(tree), module


def test_a_room_exports_what_it_imports():
    """
    `__all__` of a room is the list of names in its `__init__.py`, sorted.
    """
    for module, tree in TREES.items():
        if module.count(".") != 2 or not module.endswith(".__init__"):
            continue
        names = sorted(name for _, name in imports(tree))
        listed = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
        ]
        assert sorted(listed[0] if listed else []) == names, module


def test_modules_form_no_circle():
    """
    Imports inside functions and for type checking count, too.
    """
    graph = {
        module: {
            target
            for imported, name in imports(tree)
            if (target := module_of(imported, name)) and target != module
        }
        for module, tree in TREES.items()
        if not module.endswith(".__init__")
    }

    TopologicalSorter(graph).prepare()


def test_a_class_name_exists_once():
    """
    A reader who meets a class name knows which class it is.
    """
    where = defaultdict(list)
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(module)

    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


def test_scope_never_imports_ray():
    """
    Not even inside a function: the algorithm runs without a cluster.
    """
    for module, tree in TREES.items():
        if module.startswith("scope."):
            assert "ray" not in libraries(tree), module


def test_scope_stands_on_few_libraries():
    """
    At the head of a file only these; anything heavier is imported where it is used.
    """
    for module, tree in TREES.items():
        if not module.startswith("scope."):
            continue
        head = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        assert libraries(head) - set(sys.stdlib_module_names) <= LIGHT, module


def test_importing_scope_loads_no_heavy_library():
    """
    `import scope` stays light: a module that wraps a heavy library imports it when used.
    """
    code = f"import scope, sys; print({HEAVY} & set(sys.modules) or 'none')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "none"


def test_one_module_of_each_side_speaks_http():
    """
    One offline, one online, and one for the cluster's own HTTP.
    """
    speakers = [
        module
        for module, tree in TREES.items()
        if libraries(tree) & {"httpx", "httpx_aiohttp", "aiohttp", "requests"}
    ]

    assert speakers == [
        "scope.upstream.client",
        "deployments.operate.cluster_client",
        "deployments.upstream.client",
    ]


def test_one_module_of_the_endpoint_uses_private_names_of_ray():
    """
    An upgrade of Ray can break this module only.
    """
    users = {
        module
        for module, tree in TREES.items()
        if module.startswith("deployments.")
        for imported, name in imports(tree)
        if imported.startswith("ray") and "._" in f".{imported}.{name}"
    }

    assert users == {"deployments.protocol.ray_internals"}
