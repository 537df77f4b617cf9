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
    Mistake,
    as_list,
    as_mapping,
    did_you_mean,
    dotted,
    walk,
)
from scope.errors import ConfigError
from scope.text_files import read_text

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
        content = as_mapping(yaml.safe_load(read_text(file)))
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


def is_resource(file: Path) -> bool:
    """Return whether the kustomization beside a file takes whole objects from it."""
    kustomization = read_kustomization(file.parent)
    return kustomization is not None and file in kustomization.resources


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
