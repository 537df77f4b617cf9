"""Recognise what a document is, and check it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployments.checks.findings import Finding, Mistake, as_mapping, did_you_mean, is_close
from deployments.checks.secrets import secret_mistakes
from deployments.checks.serve_config import inspect_config
from deployments.checks.versions import image_mistakes, installed_versions
from deployments.checks.yaml_lines import Document, unreadable
from deployments.manifests.kuberay import object_rules
from deployments.manifests.kuberay_fields import API_VERSION, OBJECTS, fields_mistakes
from deployments.manifests.kubernetes import object_mistakes, resource_mistakes
from deployments.manifests.kustomize import (
    is_combined,
    is_kustomization,
    is_resource,
    kustomization_mistakes,
)
from deployments.manifests.ray_service import LOOPBACK, pod_rules, served_mistakes
from deployments.manifests.ray_up import ray_up_mistakes
from deployments.protocol import short_repr

SERVE_KEYS = ("applications", "http_options", "proxy_location")
RAY_UP_KEYS = ("cluster_name", "provider")
SERVED: tuple[str, ...] = ("spec", "serveConfigV2")
OTHERS = ("groups", "rule_files", "scrape_configs", "tests", "datasources", "providers")
"""A key of the files of Prometheus and Grafana, which have tools of their own."""


@dataclass(slots=True)
class CheckedFiles:
    """What a check of files found.

    Attributes
    ----------
    findings : list of Finding
        By file and line, each once.
    summaries : list of (str, str)
        A file and one line about an application of ours in it that has no error.
    n_files : int
        Files of a known kind.
    """

    findings: list[Finding] = field(default_factory=list)
    summaries: list[tuple[str, str]] = field(default_factory=list)
    n_files: int = 0

    @property
    def n_errors(self) -> int:
        """Number of findings that fail or are unsafe."""
        return sum(finding.level == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "files": self.n_files,
            "findings": [asdict(finding) for finding in self.findings],
            "summaries": [{"file": file, "text": text} for file, text in self.summaries],
        }


def check_document(document: Document, path: Path, checked: CheckedFiles) -> bool:
    """Check one document; return whether its kind is known."""
    value = document.value
    if isinstance(value, list):
        return is_combined(path)  # operations of a JSON patch
    if not isinstance(value, Mapping):
        return False
    if is_kustomization(value, path):
        mistakes = [*kustomization_mistakes(value, path.parent), *secret_mistakes(value)]
        checked.findings += document.located(mistakes)
    elif "metadata" in value or ("apiVersion" in value and "kind" in value):
        if nameless := list(_without_kind(value)):
            checked.findings += document.located(nameless)
            return True
        checked.findings += _object_findings(document, path, checked)
    elif any(key in value for key in SERVE_KEYS):
        check_served(document, checked)
    elif any(key in value for key in RAY_UP_KEYS):
        mistakes = [
            *ray_up_mistakes(value, path.parent),
            *secret_mistakes(value),
            *image_mistakes(value),
        ]
        checked.findings += document.located([*mistakes, *installed_versions(value)])
    else:
        return any(key in value for key in OTHERS)
    return True


def _without_kind(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what hides the kind of a Kubernetes object."""
    for key in ("apiVersion", "kind"):
        if key not in value:
            typo = next((other for other in value if is_close(str(other), key)), None)
            path = () if typo is None else (typo,)
            yield Mistake(path, f"this object has no {key}", f"add {key}")
        elif not isinstance(value[key], str):
            yield Mistake((key,), f"{key} is {short_repr(value[key])}", "it should be text")


def check_served(
    document: Document, checked: CheckedFiles, service: Mapping[str, Any] | None = None
) -> None:
    """Check a Serve configuration: a file of its own, or that of a RayService.

    One that binds only this machine will run here, so that its files must be here.
    """
    config: Mapping[str, Any] = document.value
    host = as_mapping(config.get("http_options")).get("host")
    found = inspect_config(config, here=service is None and host in LOOPBACK)
    on_pods = [] if service is None else served_mistakes(service, config)
    checked.findings += document.located([*found.mistakes, *on_pods])
    checked.summaries += [(document.file, summary) for summary in found.summaries]


def _object_findings(document: Document, path: Path, checked: CheckedFiles) -> Iterator[Finding]:
    """Yield the findings of a Kubernetes object, whole or to be combined with others."""
    value: Mapping[str, Any] = document.value
    mistakes = [*secret_mistakes(_without_served(value)), *installed_versions(value)]
    mistakes += [*_unknown_of_kuberay(value), *resource_mistakes(value)]
    combined = is_combined(path)
    if is_kuberay(value):
        mistakes += fields_mistakes(value)
    elif not combined or is_resource(path):
        mistakes += object_mistakes(value)
    if combined:
        yield from document.located(mistakes)
        return
    yield from document.located([*mistakes, *image_mistakes(value)])
    if is_kuberay(value):
        served = served_document(document, checked)
        config = None if served is None else served.value
        yield from document.located([*object_rules(value), *pod_mistakes_of(value, config)])
        if served is not None:
            check_served(served, checked, value)


def pod_mistakes_of(
    value: Mapping[str, Any], config: Mapping[str, Any] | None
) -> Iterator[Mistake]:
    """Yield mistakes in the pods of a RayService; other kinds pass."""
    if value["kind"] == "RayService":
        yield from pod_rules(value, config)


def is_kuberay(value: Mapping[str, Any]) -> bool:
    """Return whether an object is one of KubeRay's that are checked here."""
    return str(value["apiVersion"]).startswith("ray.io/") and value["kind"] in OBJECTS


def _unknown_of_kuberay(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the mistake of a kind or version that KubeRay does not have."""
    version, kind = str(value["apiVersion"]), str(value["kind"])
    if version.startswith("ray.io/") and kind not in OBJECTS:
        remedy = did_you_mean(kind, OBJECTS, optional=False)
        yield Mistake(("kind",), f"KubeRay has no {kind} that is checked here", remedy)
    elif version.startswith("ray.io/") and version != API_VERSION:
        yield Mistake(("apiVersion",), f"apiVersion is {version}", f"use {API_VERSION}")


def _without_served(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the Serve configuration of a RayService, which is checked by itself."""
    spec = as_mapping(value.get("spec"))
    if "serveConfigV2" not in spec:
        return value
    return {**value, "spec": {**spec, "serveConfigV2": ""}}


def served_document(document: Document, checked: CheckedFiles) -> Document | None:
    """Return the Serve configuration in a RayService."""
    if not isinstance(as_mapping(document.value.get("spec")).get("serveConfigV2"), str):
        return None
    try:
        documents = document.embedded(SERVED)
    except yaml.YAMLError as error:
        first = document.first_lines.get(SERVED, document.line(SERVED))
        checked.findings.append(unreadable(error, document.file, first))
        return None
    if not documents or not isinstance(documents[0].value, Mapping):
        message = "spec.serveConfigV2 is no mapping"
        mistake = Mistake(SERVED, message, "write a Serve configuration with applications")
        checked.findings += document.located([mistake])
        return None
    checked.findings += documents[0].duplicates()
    return documents[0]
