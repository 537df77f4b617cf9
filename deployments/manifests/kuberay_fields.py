"""The fields of KubeRay's objects that a manifest of ours may use.

Written for KubeRay 1.7 (``ray.io/v1``). A field is a type, a tuple of allowed texts, a list with
the type of its entries, or a mapping of fields. Parts of Kubernetes' own API (pods, services,
resources) are `ANY` here and checked with the schemas of Kubernetes where they matter.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployments.checks.findings import (
    Keys,
    Mistake,
    as_list,
    as_mapping,
    did_you_mean,
    dotted,
    get_in,
)
from deployments.protocol import short_repr


class FieldType(NamedTuple):
    """The type of a field: its name in messages, and the Python types of its values."""

    name: str
    types: tuple[type, ...]


TEXT = FieldType("text", (str,))
WHOLE = FieldType("a whole number", (int,))
NUMBER = FieldType("a number", (int, float))
SWITCH = FieldType("true or false", (bool,))
QUANTITY = FieldType("a quantity", (str, int, float))
TEXTS = FieldType("a mapping of text to text", (dict,))
ANY = FieldType("a value", (object,))

RESOURCES = {"limits": ANY, "requests": ANY, "claims": ANY}

AUTH_OPTIONS = {
    "mode": ("token", "disabled"),
    "secretName": TEXT,
    "enableK8sTokenAuth": SWITCH,
}

AUTOSCALER_OPTIONS = {
    "version": ("v1", "v2"),
    "idleTimeoutSeconds": WHOLE,
    "upscalingMode": ("Default", "Aggressive", "Conservative"),
    "image": TEXT,
    "imagePullPolicy": TEXT,
    "command": [TEXT],
    "args": [TEXT],
    "env": ANY,
    "envFrom": ANY,
    "resources": RESOURCES,
    "securityContext": ANY,
    "volumeMounts": ANY,
}

KEY_REFERENCE = {"name": TEXT, "key": TEXT, "optional": SWITCH}
VALUE = {
    "value": TEXT,
    "valueFrom": {
        "secretKeyRef": KEY_REFERENCE,
        "configMapKeyRef": KEY_REFERENCE,
        "fieldRef": ANY,
        "resourceFieldRef": ANY,
        "fileKeyRef": ANY,
    },
}

GCS_FAULT_TOLERANCE = {
    "backend": ("redis", "rocksdb"),
    "redisAddress": TEXT,
    "redisUsername": VALUE,
    "redisPassword": VALUE,
    "externalStorageNamespace": TEXT,
    "storage": {
        "claimName": TEXT,
        "size": QUANTITY,
        "storageClassName": TEXT,
        "accessModes": [TEXT],
        "subPath": TEXT,
        "deletionPolicy": ("DeleteWithCluster", "Retain"),
    },
}

NETWORK_RULES = {"ingressRules": ANY, "egressRules": ANY}

HEAD_GROUP = {
    "rayStartParams": TEXTS,
    "template": ANY,
    "resources": TEXTS,
    "labels": TEXTS,
    "serviceType": TEXT,
    "headService": ANY,
    "enableIngress": SWITCH,
}

WORKER_GROUP = {
    "groupName": TEXT,
    "replicas": WHOLE,
    "minReplicas": WHOLE,
    "maxReplicas": WHOLE,
    "numOfHosts": WHOLE,
    "idleTimeoutSeconds": WHOLE,
    "priority": WHOLE,
    "suspend": SWITCH,
    "rayStartParams": TEXTS,
    "template": ANY,
    "resources": TEXTS,
    "labels": TEXTS,
    "scaleStrategy": {"workersToDelete": [TEXT]},
}

RAY_CLUSTER: dict[str, Any] = {
    "rayVersion": TEXT,
    "enableInTreeAutoscaling": SWITCH,
    "autoscalerOptions": AUTOSCALER_OPTIONS,
    "authOptions": AUTH_OPTIONS,
    "gcsFaultToleranceOptions": GCS_FAULT_TOLERANCE,
    "networkPolicy": {
        "mode": ("DenyAll", "DenyAllIngress", "DenyAllEgress"),
        "head": NETWORK_RULES,
        "worker": NETWORK_RULES,
        "workerGroups": [{"groupName": TEXT, **NETWORK_RULES}],
    },
    "tlsOptions": {"enabled": SWITCH},
    "headGroupSpec": HEAD_GROUP,
    "workerGroupSpecs": [WORKER_GROUP],
    "headServiceAnnotations": TEXTS,
    "upgradeStrategy": {"type": ("Recreate", "None")},
    "managedBy": TEXT,
    "suspend": SWITCH,
}

RAY_SERVICE: dict[str, Any] = {
    "serveConfigV2": TEXT,
    "rayClusterConfig": RAY_CLUSTER,
    "upgradeStrategy": {
        "type": ("NewCluster", "NewClusterWithIncrementalUpgrade", "None"),
        "clusterUpgradeOptions": {
            "gatewayClassName": TEXT,
            "intervalSeconds": WHOLE,
            "stepSizePercent": WHOLE,
            "maxSurgePercent": WHOLE,
        },
    },
    "rayClusterDeletionDelaySeconds": WHOLE,
    "serveService": ANY,
    "excludeHeadPodFromServeSvc": SWITCH,
    "managedBy": TEXT,
    "suspend": SWITCH,
}

DELETE_POLICY = ("DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone")

RAY_JOB: dict[str, Any] = {
    "entrypoint": TEXT,
    "entrypointNumCpus": NUMBER,
    "entrypointNumGpus": NUMBER,
    "entrypointResources": TEXT,
    "runtimeEnvYAML": TEXT,
    "jobId": TEXT,
    "metadata": TEXTS,
    "submissionMode": ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    "submitterPodTemplate": ANY,
    "submitterConfig": {"backoffLimit": WHOLE},
    "backoffLimit": WHOLE,
    "activeDeadlineSeconds": WHOLE,
    "preRunningDeadlineSeconds": WHOLE,
    "shutdownAfterJobFinishes": SWITCH,
    "ttlSecondsAfterFinished": WHOLE,
    "deletionStrategy": {
        "deletionRules": [
            {
                "policy": DELETE_POLICY,
                "condition": {
                    "jobStatus": ("SUCCEEDED", "FAILED"),
                    "jobDeploymentStatus": ("Failed",),
                    "ttlSeconds": WHOLE,
                },
            }
        ],
    },
    "clusterSelector": TEXTS,
    "rayClusterSpec": RAY_CLUSTER,
    "managedBy": TEXT,
    "suspend": SWITCH,
}

API_VERSION = "ray.io/v1"
OBJECTS = {"RayService": RAY_SERVICE, "RayCluster": RAY_CLUSTER, "RayJob": RAY_JOB}
"""The ``spec`` of each kind."""

METADATA = ("name", "generateName", "namespace", "labels", "annotations", "finalizers")


def fields_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield unknown fields and wrong types of one of KubeRay's objects; true of a patch, too."""
    for key in document:
        if key not in ("apiVersion", "kind", "metadata", "spec", "status"):
            known = ("apiVersion", "kind", "metadata", "spec")
            yield Mistake((key,), f"{key} is unknown", did_you_mean(key, known))
    for key in as_mapping(document.get("metadata")):
        if key not in METADATA:
            path = ("metadata", key)
            yield Mistake(path, f"metadata.{key} is unknown", did_you_mean(key, METADATA))
    yield from _fields(document, ("spec",), OBJECTS[document["kind"]])


def _fields(document: object, path: Keys, kind: Any) -> Iterator[Mistake]:  # noqa: ANN401 - of the table
    value, where = get_in(document, path), dotted(document, path)
    if value is None or _is_patch(value):
        return
    if isinstance(kind, tuple) and not isinstance(kind, FieldType):
        if value not in kind:
            remedy = did_you_mean(str(value), kind, optional=False)
            yield Mistake(path, f"{where} is {short_repr(value)}", remedy)
    elif isinstance(kind, dict):
        yield from _mapping(document, path, kind)
    elif isinstance(kind, list):
        if not isinstance(value, list):
            yield Mistake(path, f"{where} is {short_repr(value)}", "it should be a list")
        for place in range(len(as_list(value))):
            yield from _fields(document, (*path, place), kind[0])
    else:
        yield from _scalar(document, path, kind)


def _mapping(document: object, path: Keys, kind: Mapping[str, Any]) -> Iterator[Mistake]:
    value, where = get_in(document, path), dotted(document, path)
    if not isinstance(value, Mapping):
        yield Mistake(path, f"{where} is {short_repr(value)}", "it should be a mapping")
        return
    for key in value:
        field = (*path, key)
        if key in kind:
            yield from _fields(document, field, kind[key])
        elif key != "$patch":
            yield Mistake(field, f"{dotted(document, field)} is unknown", did_you_mean(key, kind))


def _scalar(document: object, path: Keys, kind: FieldType) -> Iterator[Mistake]:
    value, where = get_in(document, path), dotted(document, path)
    is_flag = isinstance(value, bool) and bool not in kind.types and object not in kind.types
    if is_flag or not isinstance(value, kind.types):
        yield Mistake(path, f"{where} is {short_repr(value)}", f"it should be {kind.name}")
    elif kind is TEXTS:
        for key, entry in as_mapping(value).items():
            if not isinstance(entry, str):
                field = (*path, key)
                message = f"{dotted(document, field)} is {short_repr(entry)}, and no text"
                yield Mistake(field, message, f'write "{entry}" in quotation marks')


def _is_patch(value: object) -> bool:
    """Return whether a patch only removes this value."""
    return isinstance(value, Mapping) and value.get("$patch") == "delete"
