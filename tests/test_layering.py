"""The architecture, as assertions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "scope": {"scope"},
    "deployments": {"deployments", "scope"},
    "pipelines": {"pipelines", "scope"},
}
OURS = set(ALLOWED)
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
}


def imported(path):
    """Top-level names `path` imports, wherever in the file the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows_point_down(package):
    """
    deployments -> scope <- pipelines, and no other arrow.
    """
    files = sorted((ROOT / package).rglob("*.py"))

    assert files
    for path in files:
        assert imported(path) & OURS <= ALLOWED[package], path


def test_scope_never_imports_ray():
    """
    Not even inside a function: the algorithm runs without a cluster.
    """
    for path in sorted((ROOT / "scope").rglob("*.py")):
        assert "ray" not in imported(path), path


def test_scope_stands_on_few_libraries():
    """
    At the head of a file only these; anything heavier is imported where it is used.
    """
    for path in sorted((ROOT / "scope").rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = set()
        for node in tree.body:
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
        assert names - set(sys.stdlib_module_names) <= LIGHT, path


def test_importing_scope_loads_no_heavy_library():
    """
    `import scope` stays light: whatever wraps a heavy library imports it when used.
    """
    code = f"import scope, sys; print({HEAVY} & set(sys.modules) or 'none')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "none"


def test_one_module_of_each_side_speaks_http():
    """
    Offline and online; everything else asks through them.
    """
    speakers = [
        path.relative_to(ROOT).as_posix()
        for package in ALLOWED
        for path in sorted((ROOT / package).rglob("*.py"))
        if imported(path) & {"httpx", "httpx_aiohttp", "aiohttp", "requests"}
    ]

    assert speakers == ["scope/upstream.py", "deployments/calls.py"]
