"""The fields of KubeRay's objects that a manifest of ours may use.

Written for KubeRay 1.7 (``ray.io/v1``). A field is a type, a tuple of allowed texts, a list with
the type of its entries, or a mapping of fields. Parts of Kubernetes' own API (pods, services,
resources) are `ANY` here and checked with the schemas of Kubernetes where they matter.
"""

from typing import Any, NamedTuple


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

GCS_FAULT_TOLERANCE = {
    "backend": ("redis", "rocksdb"),
    "redisAddress": TEXT,
    "redisUsername": {"value": TEXT, "valueFrom": ANY},
    "redisPassword": {"value": TEXT, "valueFrom": ANY},
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
