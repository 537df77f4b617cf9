"""Where a value that kustomize builds stands in its sources."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from deployments.checks.findings import Finding, Keys, Mistake, as_list, as_mapping, dotted, get_in
from deployments.checks.yaml_lines import Document, read_documents
from deployments.manifests.kustomize import read_kustomization
from scope.text_files import read_text


class Origins:
    """The files that a kustomization combines, to find where a built value stands.

    Parameters
    ----------
    folder : Path
        With a kustomization.
    """

    def __init__(self, folder: Path) -> None:
        self._kustomization = read_kustomization(folder)
        self._documents: list[Document] = []
        self._generated: list[Path] = []
        self._collect(folder, set())

    def _collect(self, folder: Path, seen: set[Path]) -> None:
        kustomization = read_kustomization(folder)
        if kustomization is None or folder in seen:
            return
        seen.add(folder)
        self._generated += kustomization.generated
        for path in (*kustomization.resources, *kustomization.patches):
            if path.is_dir():
                self._collect(path, seen)
            elif path.is_file():
                self._documents += _documents(path)
        for document in _documents(kustomization.file):
            self._documents += _inline_patches(document)

    def located(self, built: Document, mistakes: Iterable[Mistake]) -> Iterator[Finding]:
        """Yield mistakes in a built object at the lines of the sources."""
        for path, message, remedy, level in mistakes:
            file, line = self._place(built, path)
            yield Finding(file, line, level, dotted(built.value, path), message, remedy)

    def source_of(self, text: str) -> Document | None:
        """Return the document of the generated file with this text, if there is one."""
        for path in self._generated:
            if path.is_file() and read_text(path).strip() == text.strip():
                return next(iter(_documents(path)), None)
        return None

    def _place(self, built: Document, path: Keys) -> tuple[str, int]:
        """Return the file and line of the deepest part of a path that some source has."""
        best: tuple[int, Document, Keys] | None = None
        for document in self._documents:
            for depth, place in _matches(document, built.value, path):
                if best is None or depth >= best[0]:  # a patch comes after what it changes
                    best = depth, document, place
        if best is None:
            file = self._kustomization.file if self._kustomization else built.file
            return str(file), 1
        return best[1].file, best[1].line(best[2])


def _matches(document: Document, built: object, path: Keys) -> Iterator[tuple[int, Keys]]:
    """Yield how much of a path of a built object a source has, and where."""
    if isinstance(document.value, list):
        for place, operation in enumerate(document.value):
            target = _pointer(str(as_mapping(operation).get("path", "")))
            start = path[: len(target)]
            is_there = len(target) == len(start) and all(map(_is_key, target, start))
            if is_there and _is_same(operation, get_in(built, start)):
                yield _deepest(document, (place, "value"), path[len(target) :], len(target))
    elif as_mapping(document.value).get("kind") == as_mapping(built).get("kind"):
        yield _deepest(document, (), path, 0)


def _deepest(document: Document, prefix: Keys, path: Keys, depth: int) -> tuple[int, Keys]:
    """Return the longest start of a path that a document has below a prefix."""
    n = next((n for n in range(len(path), 0, -1) if (*prefix, *path[:n]) in document.lines), 0)
    return depth + n, (*prefix, *path[:n])


def _pointer(text: str) -> list[str]:
    """Return the keys of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _is_key(part: str, key: str | int) -> bool:
    """Return whether a part of a pointer names a key; ``-`` is a new entry of a list."""
    return part == str(key) or (part == "-" and isinstance(key, int))


def _is_same(operation: object, built: object) -> bool:
    """Return whether an operation made a built value: entries of a list differ by their names."""
    value = as_mapping(as_mapping(operation).get("value"))
    return all(value.get(key) == as_mapping(built).get(key) for key in ("groupName", "name"))


def _inline_patches(document: Document) -> list[Document]:
    found: list[Document] = []
    for place, patch in enumerate(as_list(as_mapping(document.value).get("patches"))):
        if isinstance(as_mapping(patch).get("patch"), str):
            with suppress(yaml.YAMLError):  # kubectl says what is wrong
                found += document.embedded(("patches", place, "patch"))
    return found


def _documents(path: Path) -> list[Document]:
    try:
        return read_documents(read_text(path), str(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []  # reported where the file itself is checked
