import importlib.metadata
import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.cluster.manifests import (
    BUILDS,
    CLUSTER,
    OVERLAYS,
    build,
    containers,
    kind_of,
    policies,
    ray_cluster,
    ray_object,
)

RAY = importlib.metadata.version("ray")
PROJECT = importlib.metadata.version("scope-router")
OWN_KINDS = {"RayService", "RayJob", "PodMonitor"}
"""Kinds that are not Kubernetes' own."""
builds = pytest.mark.parametrize("name", BUILDS)
overlays = pytest.mark.parametrize("name", OVERLAYS)


@builds
def test_every_build_has_what_it_needs_in_one_namespace(name):
    """
    One object of Ray with its network policies; what lies in another namespace is not found.
    """
    objects = build(name)

    assert {o["metadata"].get("namespace") for o in objects} == {"scope"}
    assert sum(o["kind"] in {"RayService", "RayJob"} for o in objects) == 1
    assert {"scope-ray", "scope-serve", "scope-head", "scope-metrics"} <= set(policies(name))
    assert "serve" not in kind_of(name, "ConfigMap")  # only serves to fill serveConfigV2


def violations(objects):
    """Return what Kubernetes' schemas say against objects; an unknown field is an error, too."""
    library = pytest.importorskip("kubernetes_validate")
    found = []
    for o in objects:
        try:
            library.validate(o, "1.32", strict=True)
        except library.ValidationError as error:
            found.append(f"{o['kind']} {o['metadata']['name']}: {error.message}")
    return found


@builds
def test_objects_of_kubernetes_follow_its_schemas(name):
    """
    Strictly, where `kubectl apply` may only warn; four network policies are among them.
    """
    objects = [o for o in build(name) if o["kind"] not in OWN_KINDS]

    assert len(objects) > 4
    assert violations(objects) == []


@pytest.mark.parametrize("file", sorted((CLUSTER / "setup").glob("*.yaml")), ids=lambda f: f.stem)
def test_objects_that_are_set_up_once_follow_the_schemas(file):
    """
    They are no part of an overlay, so that `kubectl delete -k` leaves the data alone.
    """
    assert violations(yaml.safe_load_all(file.read_text())) == []


def test_the_schemas_refuse_an_unknown_field():
    """
    Otherwise the two tests above would find nothing.
    """
    o = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dta": {}}

    assert violations([o]) == [
        "ConfigMap a: Additional properties are not allowed ('dta' was unexpected)"
    ]


@builds
def test_objects_of_ray_follow_the_schemas_of_kuberay(name):
    """
    They are large and not ours, so that a folder of them is named by a variable.
    """
    folder = os.environ.get("SCOPE_KUBERAY_SCHEMAS")
    if folder is None:
        pytest.skip("SCOPE_KUBERAY_SCHEMAS names no folder of KubeRay's schemas")
    o = ray_object(name)
    file = Path(folder) / f"{o['kind'].lower()}s.json"
    schema = strict(json.loads(file.read_text())["schema"])

    found = jsonschema.Draft202012Validator(schema).iter_errors(o)

    assert [f"{error.json_path}: {error.message}" for error in found] == []


def strict(schema):
    """Return a schema of a custom resource that refuses unknown fields."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if schema.pop("x-kubernetes-int-or-string", False):
        return {"type": ["integer", "string"]}
    fields = schema.get("properties")
    if isinstance(fields, dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema["additionalProperties"] = False
        required = schema.get("required", [])
        schema["required"] = [key for key in required if "default" not in fields.get(key, {})]
    return schema


@builds
def test_the_version_of_ray_is_the_one_that_is_pinned(name):
    """
    In the tag of every image of ours, in `rayVersion`, and with the version of the project.
    """
    tags = {c["image"] for _, c in containers(name) if "scope-router" in c["image"]}

    assert ray_cluster(name)["rayVersion"] == RAY
    (tag,) = tags
    assert tag.removesuffix("-gpu") == f"ghcr.io/your-org/scope-router:{PROJECT}-ray{RAY}"
    assert tag.endswith("-gpu") == (name == "gpu")
    assert not any(c["image"].endswith(":latest") for _, c in containers(name))


@builds
def test_no_secret_is_in_clear(name):
    """
    Passwords, tokens and keys come from Secrets, which are not in the manifests.
    """
    assert kind_of(name, "Secret") == {}
    for pod, container in containers(name):
        for variable in container.get("env", []):
            if re.search("KEY|TOKEN|PASSWORD|SECRET|AUTH", variable["name"]):
                clear = variable.get("value", "$(")
                assert clear.startswith("$("), (pod, variable["name"])
    assert not re.search(r"sk-[A-Za-z0-9]{8}", json.dumps(build(name)))


@builds
def test_names_leave_room_for_kuberay(name):
    """
    It appends to the names of RayService and RayJob, whose clusters are services, too.
    """
    assert len(ray_object(name)["metadata"]["name"]) <= 47
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", ray_object(name)["metadata"]["name"])


@builds
def test_ray_requires_a_token(name):
    """
    KubeRay makes one for each cluster.
    """
    assert ray_cluster(name)["authOptions"] == {"mode": "token"}


@overlays
def test_the_state_of_the_cluster_is_in_redis(name):
    """
    With a password of a Secret, and in a namespace that KubeRay chooses: two clusters of one
    upgrade must not share it.
    """
    options = ray_cluster(name)["gcsFaultToleranceOptions"]

    assert options["redisAddress"].endswith(":6379")
    assert options["redisPassword"]["valueFrom"]["secretKeyRef"]["name"] == "scope-redis"
    assert "externalStorageNamespace" not in options
