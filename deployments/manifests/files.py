"""Check files and folders, and what kustomizations build."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.checks.findings import Finding, as_mapping
from deployments.checks.versions import image_mistakes
from deployments.checks.yaml_lines import Document, read_documents, unreadable
from deployments.manifests.dockerfile import dockerfile_findings
from deployments.manifests.documents import (
    CheckedFiles,
    check_document,
    check_served,
    is_kuberay,
    pod_mistakes_of,
    served_document,
)
from deployments.manifests.kuberay import object_rules
from deployments.manifests.kuberay_fields import fields_mistakes
from deployments.manifests.kubernetes import MISSING, object_mistakes, resource_mistakes
from deployments.manifests.kustomize import (
    NAMES,
    build,
    buildable,
)
from deployments.manifests.origins import Origins
from scope.errors import ConfigError, one_line
from scope.text_files import read_text

SUFFIXES = (".yaml", ".yml")


def check_files(paths: Iterable[Path]) -> list[Finding]:
    """Return what is wrong with files, and with the files in folders.

    Parameters
    ----------
    paths : iterable of Path
        Serve configurations, Kubernetes manifests, kustomizations, cluster files of ``ray up``,
        Dockerfiles, or folders of them.

    Returns
    -------
    list of Finding
        By file and line.
    """
    return inspect_files(paths).findings


def inspect_files(paths: Iterable[Path]) -> CheckedFiles:
    """Return what is wrong with files, and a line about each application without an error."""
    checked = CheckedFiles()
    folders: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = sorted(_files_in(path))
            if not files:
                message, remedy = "this folder has no file to check", "name a folder of YAML files"
                checked.findings.append(
                    Finding(str(path), None, "error", "the folder", message, remedy)
                )
            folders += dict.fromkeys(file.parent for file in files)
            for file in files:
                _check_file(file, checked, explicit=False)
        else:
            _check_file(path, checked, explicit=True)
    for folder, included in buildable(folders):
        _check_kustomization(folder, checked, included=included)
    ordered = sorted(checked.findings, key=lambda f: (f.file, f.line or 0, f.message))
    # The same file may be checked alone and in a kustomization; what is missing here is said once.
    same = {f.message if f.message == MISSING.message else f: f for f in reversed(ordered)}
    checked.findings = list(reversed(same.values()))
    checked.summaries = list(dict.fromkeys(checked.summaries))
    return checked


def _files_in(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and (path.suffix in SUFFIXES or _is_dockerfile(path)):
            yield path


def _is_dockerfile(path: Path) -> bool:
    is_one = path.name.startswith("Dockerfile") or path.suffix == ".Dockerfile"
    return is_one and path.suffix != ".dockerignore"


def _check_file(path: Path, checked: CheckedFiles, *, explicit: bool) -> None:
    file = str(path)
    try:
        text = read_text(path)
        documents = [] if _is_dockerfile(path) else read_documents(text, file)
    except (OSError, UnicodeDecodeError) as error:
        message = f"this file cannot be read: {one_line(error)}"
        remedy = "name a readable text file"
        checked.findings.append(Finding(file, None, "error", "the file", message, remedy))
        return
    except yaml.YAMLError as error:
        checked.findings.append(unreadable(error, file))
        return
    known = _is_dockerfile(path)
    if known:
        checked.findings += dockerfile_findings(text, file)
    for document in documents:
        checked.findings += document.duplicates()
        known |= check_document(document, path, checked)
    checked.n_files += known
    if explicit and not known:
        message = "this is no Serve configuration, manifest, file of ray up or Dockerfile"
        remedy = "name a file with applications, with apiVersion and kind, or with cluster_name"
        checked.findings.append(Finding(file, 1, "error", "the file", message, remedy))


def _check_kustomization(folder: Path, checked: CheckedFiles, *, included: bool) -> None:
    """Check what a kustomization builds; findings are at the lines of its sources.

    One that others include is checked only if it is whole: if it serves something by itself.
    """
    file = str(folder / "kustomization.yaml")
    try:
        text = build(folder)
    except ConfigError as error:
        if not any(Path(f.file).name in NAMES and f.level == "error" for f in checked.findings):
            line, remedy = _line_of_field(Path(file), str(error)), "correct the kustomization"
            checked.findings.append(Finding(file, line, "error", "the file", str(error), remedy))
        return
    if text is None:
        message = "its objects were not built and not checked as a whole: kubectl is not installed"
        remedy = "install kubectl"
        checked.findings.append(Finding(file, 1, "warning", "the file", message, remedy))
        return
    origins, objects = Origins(folder), read_documents(text, file)
    if included and not any(_serves(built.value) for built in objects):
        return
    for built in objects:
        _check_built(built, origins, checked)


def _line_of_field(path: Path, message: str) -> int:
    """Return the line of the field that kubectl does not know; 1 if it says something else."""
    field = re.search(r'unknown field "(\w+)"', message)
    lines = read_text(path).splitlines() if path.is_file() else []
    named = (n for n, line in enumerate(lines, 1) if field and f"{field[1]}:" in line)
    return next(named, 1)


def _serves(value: Mapping[str, Any]) -> bool:
    return is_kuberay(value) and bool(as_mapping(value.get("spec")).get("serveConfigV2"))


def _check_built(built: Document, origins: Origins, checked: CheckedFiles) -> None:
    value: Mapping[str, Any] = built.value
    if not is_kuberay(value):
        mistakes = [*object_mistakes(value), *image_mistakes(value), *resource_mistakes(value)]
        checked.findings += origins.located(built, mistakes)
        return
    config = None
    text = as_mapping(value.get("spec")).get("serveConfigV2")
    if isinstance(text, str):
        source = origins.source_of(text)
        served = source or served_document(built, checked)
        if served is not None:
            config = served.value
            check_served(served, checked, value)
    mistakes = [*image_mistakes(value), *resource_mistakes(value), *fields_mistakes(value)]
    mistakes += [*object_rules(value), *pod_mistakes_of(value, config)]
    checked.findings += origins.located(built, mistakes)
