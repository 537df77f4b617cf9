"""The table of KubeRay's fields, and rules about whole objects."""

import json
import os
from pathlib import Path

import pytest
import yaml

from deployments.manifests.kuberay import object_rules
from deployments.manifests.kuberay_fields import OBJECTS, FieldType, fields_mistakes
from tests.factories.manifests import RAY_JOB, RAY_SERVICE

SCHEMAS = "SCOPE_KUBERAY_SCHEMAS"
TYPES = {
    "text": {"string"},
    "a whole number": {"integer"},
    "a number": {"number", "integer"},
    "true or false": {"boolean"},
    "a mapping of text to text": {"object"},
}


def entries(kind, schema, path):
    """Yield (path, field of the table, part of the schema) for each field of the table."""
    if isinstance(kind, dict):
        for key, inner in kind.items():
            assert key in schema.get("properties", {}), f"KubeRay has no {path}.{key}"
            yield from entries(inner, schema["properties"][key], f"{path}.{key}")
    elif isinstance(kind, list):
        assert schema["type"] == "array", path
        yield from entries(kind[0], schema["items"], f"{path}[]")
    else:
        yield path, kind, schema


@pytest.mark.parametrize("name", OBJECTS)
def test_the_table_agrees_with_the_schemas_of_kuberay(name):
    """
    Every field of the table exists, with its type and its allowed texts.
    """
    folder = os.environ.get(SCHEMAS)
    if not folder:
        pytest.skip(f"{SCHEMAS} names no folder with KubeRay's schemas")
    content = json.loads((Path(folder) / f"{name.lower()}s.json").read_text())
    spec = content["schema"]["properties"]["spec"]

    for path, kind, schema in entries(OBJECTS[name], spec, "spec"):
        if not isinstance(kind, FieldType):
            assert schema["type"] == "string", path
            assert set(schema.get("enum", kind)) <= set(kind), path
        elif kind.name in TYPES:
            assert schema["type"] in TYPES[kind.name], path


def changed(text, change):
    """Return an object after a function changed it."""
    document = yaml.safe_load(text)
    change(document["spec"])
    return document


def cluster(spec):
    """Return the cluster of a RayService or RayJob."""
    return spec.get("rayClusterConfig") or spec["rayClusterSpec"]


def worker(spec):
    """Return the only worker group."""
    return cluster(spec)["workerGroupSpecs"][0]


@pytest.mark.parametrize(
    ("text", "change", "sentence"),
    [
        pytest.param(
            RAY_SERVICE,
            lambda s: worker(s)["template"]["spec"].update(restartPolicy="Always"),
            "restartPolicy is Always, and autoscaler v2 replaces pods itself; set it to Never",
            id="a restart policy that the autoscaler v2 refuses",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: cluster(s).update(enableInTreeAutoscaling=False),
            "maxReplicas is never reached: the autoscaler is off",
            id="a range without an autoscaler",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: worker(s).update(replicas=9),
            "replicas is 9, outside 2 to 4; set it between",
            id="replicas outside their range",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: cluster(s)["workerGroupSpecs"].append(worker(s)),
            "two worker groups are called cpu; rename one",
            id="a name given twice",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: cluster(s).pop("authOptions"),
            "authOptions asks for no token: every pod can run code on Ray",
            id="no token",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: cluster(s).pop("rayVersion"),
            "rayVersion is missing: without it KubeRay sets no token",
            id="no version of Ray",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: s["upgradeStrategy"].update(type="NewClusterWithIncrementalUpgrade"),
            "needs a gateway; add clusterUpgradeOptions",
            id="an upgrade without a gateway",
        ),
        pytest.param(
            RAY_SERVICE,
            lambda s: cluster(s)["headGroupSpec"].update(headService={"metadata": {"name": "x"}}),
            "breaks an upgrade: both clusters claim the name",
            id="a head service with a name",
        ),
        pytest.param(
            RAY_JOB,
            lambda s: worker(s)["template"]["spec"].pop("volumes"),
            "backoffLimit starts a new cluster, and no volume keeps what was done",
            id="retries that begin again",
        ),
        pytest.param(
            RAY_JOB,
            lambda s: s.pop("shutdownAfterJobFinishes"),
            "ttlSecondsAfterFinished has no effect: the cluster is kept for ever",
            id="a cluster that stays",
        ),
        pytest.param(
            RAY_JOB, lambda s: s.pop("entrypoint"), "spec.entrypoint is missing", id="no command"
        ),
    ],
)
def test_a_rule_of_kuberay_is_broken(text, change, sentence):
    """
    KubeRay refuses the object, or runs it otherwise than meant.
    """
    sentences = [mistake.sentence for mistake in object_rules(changed(text, change))]

    assert [text for text in sentences if sentence in text], sentences


def test_a_patch_may_hold_a_part_of_an_object():
    """
    Its fields are checked; what is missing is elsewhere.
    """
    patch = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "scope"},
        "spec": {"rayClusterConfig": {"gcsFaultToleranceOptions": {"$patch": "delete"}}},
    }

    assert list(fields_mistakes(patch)) == []
