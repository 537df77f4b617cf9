"""What the documentation names exists, and it is written in the field's words."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("scope/banks/*.md"),
        *ROOT.glob("cluster/*.md"),
    ]
)
SOURCES = [
    path
    for folder in (
        "scope",
        "deployments",
        "pipelines",
        "tests",
        "benchmarks",
        "examples",
        "docs",
        "cluster",
    )
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".j2"} and path != Path(__file__)
]
ROOMS = [
    path.parent.name
    for package in ("scope", "deployments", "pipelines")
    for path in (ROOT / package).glob("*/__init__.py")
]
OLD_WORDS = re.compile(
    r"\b(fore(tell|told|telling|known)\w*|whoever|whomever|nobody|somebody|everybody|anew|"
    r"likeliest|likelier|dearest|dearer|kinship|newcomers?|strangers?)\b",
    re.IGNORECASE,
)


def anchors_of(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """
    To a file of the project and, where a heading is named, to that heading.
    """
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors_of(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page):
    """
    Paths of the packages, tests and examples, and modules that `python -m` runs.
    """
    text = page.read_text()

    for path in re.findall(
        r"\b((?:scope|deployments|pipelines|tests|benchmarks|examples|cluster)/[\w/]+\.\w+)\b", text
    ):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m\s+((?:benchmarks|tests)\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


@pytest.mark.parametrize(
    "path", SOURCES + PAGES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_words_are_those_of_the_field(path):
    """
    A reader meets *predict*, *new model* and *most expensive*, not words of our own.
    """
    assert OLD_WORDS.findall(path.read_text()) == []


def test_the_picture_shows_every_room():
    """
    `python -m benchmarks.architecture docs/architecture.svg` draws it from the packages.
    """
    picture = (ROOT / "docs" / "architecture.svg").read_text()

    for room in ROOMS:
        assert f">{room}<" in picture, room


def test_the_python_example_is_the_one_of_the_readme():
    """
    It runs as it stands, and the README prints what it prints.
    """
    code = (ROOT / "examples" / "route_prompts.py").read_text()
    readme = (ROOT / "README.md").read_text()
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "route_prompts.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert f"```python\n{code}```" in readme
    assert done.stdout in readme
