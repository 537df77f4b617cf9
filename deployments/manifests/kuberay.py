"""KubeRay's objects: RayService, RayCluster and RayJob."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployments.checks.findings import (
    Keys,
    Mistake,
    as_list,
    as_mapping,
    dotted,
    get_in,
)
from deployments.checks.versions import version_mistake
from deployments.manifests.kubernetes import MISSING, container_mistakes, is_installed, pod_mistakes
from deployments.manifests.ray_start import parameter_mistakes

CLUSTER_PATHS: dict[str, Keys] = {
    "RayService": ("spec", "rayClusterConfig"),
    "RayCluster": ("spec",),
    "RayJob": ("spec", "rayClusterSpec"),
}
"""Where each kind describes its cluster."""

LONGEST_NAME = {"RayService": 47, "RayJob": 47, "RayCluster": 53}
"""KubeRay appends to the name, and a service has 63 letters at most."""

DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources", "labels")
"""Keys of ``rayStartParams`` that the fields of a group replace."""

SHARED_VOLUMES = ("persistentVolumeClaim", "nfs", "csi", "hostPath")


def object_rules(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what KubeRay refuses, or runs otherwise than meant, in a whole object."""
    kind = document["kind"]
    yield from _name(document, kind)
    if kind == "RayJob":
        yield from _job(document)
    if kind == "RayService":
        yield from _service(document)
    cluster = CLUSTER_PATHS[kind]
    if kind == "RayJob" and as_mapping(document.get("spec")).get("clusterSelector"):
        return
    yield from _cluster(document, cluster, kind)
    if not is_installed():
        yield MISSING
    yield from container_mistakes(document, (*cluster, "autoscalerOptions"))
    yield from pod_mistakes(document, ("spec", "submitterPodTemplate"))
    for path, _ in groups(document):
        yield from parameter_mistakes(document, (*path, "rayStartParams"))
        yield from pod_mistakes(document, (*path, "template"))


def groups(document: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """Yield the head group, then the worker groups, with their paths."""
    cluster = CLUSTER_PATHS[document["kind"]]
    yield (*cluster, "headGroupSpec"), as_mapping(get_in(document, (*cluster, "headGroupSpec")))
    yield from worker_groups(document)


def worker_groups(document: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """Yield the worker groups with their paths."""
    cluster = (*CLUSTER_PATHS[document["kind"]], "workerGroupSpecs")
    for place, group in enumerate(as_list(get_in(document, cluster))):
        if isinstance(group, Mapping):
            yield (*cluster, place), group


def _name(document: Mapping[str, Any], kind: str) -> Iterator[Mistake]:
    name = str(as_mapping(document.get("metadata")).get("name", ""))
    path, limit = ("metadata", "name"), LONGEST_NAME[kind]
    if len(name) > limit:
        message = f"metadata.name has {len(name)} letters, and a {kind} at most {limit}"
        yield Mistake(path, message, "shorten it")
    elif not DNS_1035.fullmatch(name):
        message = f"metadata.name is {name!r}, which is no name of a service"
        remedy = "use small letters, digits and hyphens, a letter first"
        yield Mistake(path, message, remedy)


def _cluster(document: object, path: Keys, kind: str) -> Iterator[Mistake]:
    cluster = as_mapping(get_in(document, path))
    yield from _version(document, path, cluster)
    yield from _auth(document, path, cluster, kind)
    yield from _fault_tolerance(document, path, cluster, kind)
    yield from _head(document, (*path, "headGroupSpec"))
    names = []
    for place, group in enumerate(as_list(cluster.get("workerGroupSpecs"))):
        group_path = (*path, "workerGroupSpecs", place)
        names.append(as_mapping(group).get("groupName"))
        if names[-1] in names[:-1]:
            message = f"two worker groups are called {names[-1]}"
            yield Mistake((*group_path, "groupName"), message, "rename one of them")
        yield from _worker(document, group_path, as_mapping(group), cluster)


def _version(document: object, path: Keys, cluster: Mapping[str, Any]) -> Iterator[Mistake]:
    field = (*path, "rayVersion")
    version = cluster.get("rayVersion")
    if version is None:
        message = f"{dotted(document, field)} is missing: without it KubeRay sets no token"
        yield Mistake(field, message, "add the version of Ray in the image")
    elif isinstance(version, str):
        what = f"{dotted(document, field)} is"
        yield from version_mistake(field, what, "ray", version)


def _auth(document: object, path: Keys, cluster: Mapping[str, Any], kind: str) -> Iterator[Mistake]:
    field = (*path, "authOptions")
    options = as_mapping(cluster.get("authOptions"))
    if options.get("mode") != "token":
        message = f"{dotted(document, field)} asks for no token: every pod can run code on Ray"
        yield Mistake((*field, "mode"), message, "set authOptions: {mode: token}")
    if kind == "RayService" and options.get("enableK8sTokenAuth"):
        message = f"{dotted(document, field)}.enableK8sTokenAuth is not for a RayService"
        yield Mistake((*field, "enableK8sTokenAuth"), message, "remove it, and name a secretName")


def _fault_tolerance(
    document: object, path: Keys, cluster: Mapping[str, Any], kind: str
) -> Iterator[Mistake]:
    field = (*path, "gcsFaultToleranceOptions")
    options = cluster.get("gcsFaultToleranceOptions")
    if not isinstance(options, Mapping):
        return
    if kind == "RayService" and "externalStorageNamespace" in options:
        key = (*field, "externalStorageNamespace")
        message = f"{dotted(document, key)} makes the clusters before and after an upgrade share "
        yield Mistake(key, f"{message}one state", "remove it: KubeRay names one for each cluster")
    head = (*path, "headGroupSpec")
    params = (*head, "rayStartParams", "redis-password")
    if get_in(document, params) is not None:
        message = f"{dotted(document, params)} and gcsFaultToleranceOptions are both given"
        yield Mistake(params, message, "keep gcsFaultToleranceOptions.redisPassword")
    for env_path, name in _environment(document, (*head, "template", "spec")):
        if name in ("RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "RAY_external_storage_namespace"):
            message = f"{name} and gcsFaultToleranceOptions are both given"
            yield Mistake(env_path, message, "keep gcsFaultToleranceOptions")


def _environment(document: object, spec: Keys) -> Iterator[tuple[Keys, str]]:
    for place, container in enumerate(as_list(get_in(document, (*spec, "containers")))):
        for entry, variable in enumerate(as_list(as_mapping(container).get("env"))):
            path = (*spec, "containers", place, "env", entry, "name")
            yield path, str(as_mapping(variable).get("name"))


def _head(document: object, path: Keys) -> Iterator[Mistake]:
    field = (*path, "rayStartParams", "num-cpus")
    params = as_mapping(get_in(document, (*path, "rayStartParams")))
    resources = as_mapping(get_in(document, (*path, "resources")))
    if str(params.get("num-cpus", resources.get("CPU"))) != "0":
        where = dotted(document, field)
        message = f'{where} is not "0": replicas run on the head and die with it'
        yield Mistake(field, message, 'set rayStartParams: {num-cpus: "0"}')
    yield from _resources_twice(document, path)


def _resources_twice(document: object, path: Keys) -> Iterator[Mistake]:
    params = as_mapping(get_in(document, (*path, "rayStartParams")))
    if as_mapping(get_in(document, (*path, "resources"))):
        for key in RESOURCE_PARAMS[:4]:
            if key in params:
                field = (*path, "rayStartParams", key)
                message = f"{dotted(document, field)} and resources of the group are both given"
                yield Mistake(field, message, "keep one of them")


def _worker(
    document: object, path: Keys, group: Mapping[str, Any], cluster: Mapping[str, Any]
) -> Iterator[Mistake]:
    yield from _resources_twice(document, path)
    yield from _group_size(document, path, group, cluster)
    field = (*path, "template", "spec", "restartPolicy")
    policy = get_in(document, field)
    is_v2 = as_mapping(cluster.get("autoscalerOptions")).get("version", "v2") == "v2"
    if cluster.get("enableInTreeAutoscaling") and is_v2 and policy not in (None, "Never"):
        message = f"{dotted(document, field)} is {policy}, and autoscaler v2 replaces pods itself"
        yield Mistake(field, message, "set it to Never, or leave it out")


def _group_size(
    document: object, path: Keys, group: Mapping[str, Any], cluster: Mapping[str, Any]
) -> Iterator[Mistake]:
    least, most = group.get("minReplicas", 0), group.get("maxReplicas")
    size = group.get("replicas", least)
    if most is None or not all(isinstance(number, int) for number in (least, most, size)):
        return
    if least > most:
        field = (*path, "maxReplicas")
        message = f"{dotted(document, field)} is {most}, less than minReplicas, {least}"
        yield Mistake(field, message, f"set it to {least} or more")
    elif not least <= size <= most:
        field = (*path, "replicas")
        message = f"{dotted(document, field)} is {size}, outside {least} to {most}"
        yield Mistake(field, message, "set it between minReplicas and maxReplicas")
    elif least < most and not cluster.get("enableInTreeAutoscaling"):
        field = (*path, "maxReplicas")
        message = f"{dotted(document, field)} is never reached: the autoscaler is off"
        yield Mistake(field, message, "set enableInTreeAutoscaling: true", "warning")


def _service(document: Mapping[str, Any]) -> Iterator[Mistake]:
    spec = as_mapping(document.get("spec"))
    if not isinstance(spec.get("serveConfigV2"), str):
        message = "spec.serveConfigV2 is missing: nothing is served"
        yield Mistake(("spec", "serveConfigV2"), message, "add it, or let kustomize copy it in")
    strategy = as_mapping(spec.get("upgradeStrategy"))
    scales = get_in(document, ("spec", "rayClusterConfig", "enableInTreeAutoscaling"))
    if strategy.get("type") == "NewClusterWithIncrementalUpgrade":
        field = ("spec", "upgradeStrategy", "type")
        if not scales:
            message = "spec.upgradeStrategy.type needs the autoscaler"
            yield Mistake(field, message, "set rayClusterConfig.enableInTreeAutoscaling: true")
        if "clusterUpgradeOptions" not in strategy:
            message = "spec.upgradeStrategy.type needs a gateway"
            yield Mistake(field, message, "add clusterUpgradeOptions with gatewayClassName")
    name: Keys = ("spec", "rayClusterConfig", "headGroupSpec", "headService", "metadata", "name")
    if get_in(document, name) is not None:
        message = f"{dotted(document, name)} breaks an upgrade: both clusters claim the name"
        yield Mistake(name, message, "remove it")


def _job(document: Mapping[str, Any]) -> Iterator[Mistake]:
    spec = as_mapping(document.get("spec"))
    if not spec.get("entrypoint") and spec.get("submissionMode") != "InteractiveMode":
        yield Mistake(("spec",), "spec.entrypoint is missing", "add the command to run")
    stops = spec.get("shutdownAfterJobFinishes")
    if stops and as_mapping(spec.get("deletionStrategy")).get("deletionRules"):
        message = "spec.deletionStrategy and shutdownAfterJobFinishes are both given"
        yield Mistake(("spec", "deletionStrategy"), message, "keep one of them")
    if spec.get("ttlSecondsAfterFinished") and not stops:
        message = "spec.ttlSecondsAfterFinished has no effect: the cluster is kept for ever"
        remedy = "set shutdownAfterJobFinishes: true"
        yield Mistake(("spec", "ttlSecondsAfterFinished"), message, remedy)
    if spec.get("backoffLimit") and not _has_shared_volume(document):
        message = "spec.backoffLimit starts a new cluster, and no volume keeps what was done"
        remedy = "mount a persistentVolumeClaim and write the output to it"
        yield Mistake(("spec", "backoffLimit"), message, remedy)


def _has_shared_volume(document: Mapping[str, Any]) -> bool:
    for path, _ in groups(document):
        volumes = as_list(get_in(document, (*path, "template", "spec", "volumes")))
        if any(kind in as_mapping(volume) for volume in volumes for kind in SHARED_VOLUMES):
            return True
    return False
