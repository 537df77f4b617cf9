"""Core objects of Kubernetes and pods, against the schemas in `kubernetes-validate`."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from deployments.checks.findings import (
    Keys,
    Mistake,
    as_mapping,
    did_you_mean,
    dotted,
    get_in,
    walk,
)
from deployments.manifests.json_schema import schema_mistakes

CONTAINER_PARTS = ("env", "envFrom", "resources", "securityContext", "volumeMounts")
RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")
"""The names without a domain; ``nvidia.com/gpu`` has one."""

MISSING = Mistake(
    (),
    "fields of Kubernetes were not checked: kubernetes-validate is not installed",
    "pip install 'scope-router[cluster]'",
    "warning",
)


def is_installed() -> bool:
    """Return whether the schemas are installed."""
    try:
        import kubernetes_validate  # noqa: F401
    except ImportError:
        return False
    return True


def object_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield unknown fields and wrong values of a core object; custom resources pass."""
    if not is_installed():
        yield MISSING
        return
    api_version, kind = str(document.get("apiVersion")), str(document.get("kind"))
    validator = _validator(api_version, kind)
    if validator is not None:
        yield from schema_mistakes(validator.iter_errors(document), document)
    elif "." not in api_version or api_version.split("/")[0].endswith(".k8s.io"):
        yield from _unknown_kind(api_version, kind)


def _unknown_kind(api_version: str, kind: str) -> Iterator[Mistake]:
    """Yield the mistake of a kind that this version of Kubernetes does not have."""
    others = _versions(kind)
    message = f"Kubernetes has no {kind} of version {api_version}"
    if others:
        yield Mistake(("apiVersion",), message, f"did you mean {others[-1]}?")
    elif "k8s.io" not in api_version:  # such a group may be that of a custom resource
        yield Mistake(("kind",), message, did_you_mean(kind, _kinds(), optional=False))


def pod_mistakes(document: object, path: Keys) -> Iterator[Mistake]:
    """Yield unknown fields and wrong values of the pod template at a path."""
    template = as_mapping(get_in(document, path))
    validator = _validator("v1", "Pod")
    if template and validator is not None:
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        yield from schema_mistakes(validator.iter_errors(pod), document, path)


def container_mistakes(document: object, path: Keys) -> Iterator[Mistake]:
    """Yield unknown fields and wrong values of the parts of a container at a path."""
    given = as_mapping(get_in(document, path))
    container = {"name": "x", **{key: given[key] for key in CONTAINER_PARTS if key in given}}
    validator = _validator("v1", "Pod")
    if validator is not None:
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}
        yield from schema_mistakes(validator.iter_errors(pod), document, path, skip=3)


def resource_mistakes(document: object) -> Iterator[Mistake]:
    """Yield names of resources that Kubernetes does not have."""
    for path, value in walk(document):
        if path[-2:] in (("resources", "limits"), ("resources", "requests")):
            for key in as_mapping(value):
                known = key in RESOURCES or "/" in str(key) or str(key).startswith("hugepages-")
                if not known:
                    field = (*path, key)
                    message = f"{dotted(document, field)} is no resource of Kubernetes"
                    yield Mistake(field, message, did_you_mean(key, RESOURCES))


@lru_cache(maxsize=64)
def _validator(api_version: str, kind: str) -> Any:  # noqa: ANN401 - a validator of jsonschema
    """Return the strict validator of a kind; None if there is none."""
    try:
        from kubernetes_validate.utils import (
            InvalidSchemaError,
            VersionNotSupportedError,
            latest_version,
            schema_contents,
        )
    except ImportError:
        return None
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    version = latest_version()
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except (OSError, InvalidSchemaError, VersionNotSupportedError):
        return None
    definitions = schema_contents(f"{folder}/_definitions.json", version)
    resources = [Resource.from_contents(content) for content in (schema, definitions)]
    registry = resources @ Registry()
    return Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=1)
def _listed() -> tuple[tuple[str, str], ...]:
    """Return the (API version, kind) of every object that has both fields."""
    from kubernetes_validate.utils import latest_version, schema_contents

    version = latest_version()
    folder = f"kubernetes-json-schema/v{version}-local"
    definitions = schema_contents(f"{folder}/_definitions.json", version)["$defs"]
    found = []
    for definition in definitions.values():
        for known in definition.get("x-kubernetes-group-version-kind", ()):
            group, number = known.get("group"), known.get("version")
            found.append((f"{group}/{number}" if group else number, known["kind"]))
    return tuple(sorted(set(found)))


def _versions(kind: str) -> list[str]:
    return [version for version, known in _listed() if known == kind]


def _kinds() -> set[str]:
    return {kind for _, kind in _listed() if not kind.endswith(("List", "Options", "Event"))}
