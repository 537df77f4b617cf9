"""Kustomizations: which files they combine, what they build, and where a built value stands."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployments.checks.findings import (
    Finding,
    Keys,
    Mistake,
    as_list,
    as_mapping,
    did_you_mean,
    dotted,
    walk,
)
from deployments.checks.yaml_lines import Document, read_documents
from scope.errors import ConfigError

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
API = "kustomize.config.k8s.io/"
FIELDS = (
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "components",
    "bases",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "replacements",
    "images",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "generators",
    "transformers",
    "validators",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "configurations",
    "crds",
    "openapi",
    "vars",
    "helmCharts",
    "helmGlobals",
    "sortOptions",
    "buildMetadata",
)
KLOG = re.compile(r'^[EF]\d{4} .*? err="(.*)"$')
"""How kubectl prints an error."""

BUILD_S = 60.0
"""Time limit of one build; a tenth of a second is usual."""


@dataclass(frozen=True, slots=True)
class Kustomization:
    """One kustomization file, with the files that it names.

    Attributes
    ----------
    file : Path
    resources : list of Path
        Files and folders.
    patches : list of Path
    generated : list of Path
        Files that become the values of a ConfigMap or Secret.
    is_component : bool
        It changes what another kustomization builds, and builds nothing by itself.
    """

    file: Path
    resources: list[Path] = field(default_factory=list)
    patches: list[Path] = field(default_factory=list)
    generated: list[Path] = field(default_factory=list)
    is_component: bool = False


def read_kustomization(folder: Path) -> Kustomization | None:
    """Return the kustomization of a folder; None if it has none or it is not YAML."""
    file = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if file is None:
        return None
    try:
        content = as_mapping(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return Kustomization(file)  # reported where the file itself is checked

    def paths(names: Iterable[Any]) -> list[Path]:
        return [_beside(folder, name) for name in names if isinstance(name, str)]

    resources = [
        name
        for key in ("resources", "components", "bases")
        for name in as_list(content.get(key))
        if "://" not in str(name)
    ]
    patches = [as_mapping(patch).get("path") for patch in as_list(content.get("patches"))]
    patches += as_list(content.get("patchesStrategicMerge"))
    generated = [
        str(entry).rpartition("=")[2]
        for key in ("configMapGenerator", "secretGenerator")
        for generator in as_list(content.get(key))
        for entry in as_list(as_mapping(generator).get("files"))
    ]
    is_component = content.get("kind") == "Component"
    return Kustomization(file, paths(resources), paths(patches), paths(generated), is_component)


def kustomization_mistakes(content: Mapping[str, Any], folder: Path) -> Iterator[Mistake]:
    """Yield unknown fields, and files that do not exist; of others kubectl says what is wrong.

    Parameters
    ----------
    content : Mapping
        Of the kustomization file.
    folder : Path
        In which it is.
    """
    for key in content:
        if key not in FIELDS:
            yield Mistake(
                (key,), f"{key} is no field of a kustomization", did_you_mean(key, FIELDS)
            )
    for path, name in walk(content):
        is_entry = len(path) == 2 and path[0] in ("resources", "components", "bases")
        is_patch_file = len(path) == 3 and path[0] == "patches" and path[2] == "path"
        is_local = isinstance(name, str) and "://" not in name and "?" not in name
        if (is_entry or is_patch_file) and is_local and not (folder / name).exists():
            message = f"{dotted(content, path)} names {name}, which is not there"
            yield Mistake(path, message, "correct the name, or add the file")


def is_kustomization(value: Mapping[str, Any], path: Path) -> bool:
    """Return whether a document is a kustomization, which may leave out its kind."""
    return path.name in NAMES or str(value.get("apiVersion")).startswith(API)


def _beside(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))


def is_combined(file: Path) -> bool:
    """Return whether a kustomization beside a file makes it a part of something whole."""
    return read_kustomization(file.parent) is not None


def buildable(folders: Iterable[Path]) -> list[tuple[Path, bool]]:
    """Return the folders that kustomize can build, and whether another one of them includes it."""
    found = {folder: read_kustomization(folder) for folder in folders}
    known = {folder: each for folder, each in found.items() if each is not None}
    included = {path for each in known.values() for path in each.resources}
    whole = (folder for folder, each in known.items() if not each.is_component)
    return [(folder, folder in included) for folder in whole]


def build(folder: Path) -> str | None:
    """Return what ``kubectl kustomize`` makes of a folder; None where kubectl is missing.

    Raises
    ------
    ConfigError
        If the build fails; the sentence is kubectl's.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return None
    try:
        done = subprocess.run(
            [kubectl, "kustomize", str(folder)],
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"kubectl kustomize {folder} takes longer than {BUILD_S:g} s") from error
    if done.returncode:
        sentence = " ".join(done.stderr.split()).removeprefix("error: ")
        raise ConfigError(KLOG.sub(r"\1", sentence).replace("; ", ", ").replace('\\"', '"'))
    return done.stdout


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

    def located(self, built: Document, mistakes: Iterable[Mistake]) -> Iterator[Finding]:
        """Yield mistakes in a built object at the lines of the sources."""
        for path, message, remedy, level in mistakes:
            file, line = self._place(built, path)
            yield Finding(file, line, level, dotted(built.value, path), message, remedy)

    def source_of(self, text: str) -> Document | None:
        """Return the document of the generated file with this text, if there is one."""
        for path in self._generated:
            if path.is_file() and path.read_text(encoding="utf-8").strip() == text.strip():
                return next(iter(_documents(path)), None)
        return None

    def _place(self, built: Document, path: Keys) -> tuple[str, int]:
        """Return the file and line of the deepest part of a path that some source has."""
        kind = as_mapping(built.value).get("kind")
        best: tuple[int, Document] | None = None
        for document in self._documents:
            if as_mapping(document.value).get("kind") == kind:
                depth = next(n for n in range(len(path), -1, -1) if path[:n] in document.lines)
                if best is None or depth >= best[0]:  # a patch comes after what it changes
                    best = depth, document
        if best is None:
            file = self._kustomization.file if self._kustomization else built.file
            return str(file), 1
        return best[1].file, best[1].line(path[: best[0]])


def _documents(path: Path) -> list[Document]:
    try:
        return read_documents(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []  # reported where the file itself is checked
