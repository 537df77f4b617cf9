"""The manifests as a cluster gets them: what ``kubectl kustomize`` prints."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
OVERLAYS = ("small", "production", "gpu")
BUILDS = {**{name: CLUSTER / "overlays" / name for name in OVERLAYS}, "batch": CLUSTER / "batch"}


def skip_without_kubectl():
    """Skip a test where no `kubectl` with replacements and components is installed."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: apt install kubernetes-client")


@cache
def build(name):
    """Return the objects of an overlay, or of ``batch``."""
    skip_without_kubectl()
    command = ["kubectl", "kustomize", BUILDS[name]]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(printed))


def kind_of(name, kind):
    """Return the objects of one kind by their names."""
    return {o["metadata"]["name"]: o for o in build(name) if o["kind"] == kind}


def policies(name):
    """Return the network policies by their names; ``batch`` puts its own before them."""
    found = kind_of(name, "NetworkPolicy")
    return {policy.removeprefix("batch-"): o["spec"] for policy, o in found.items()}


def ray_object(name):
    """Return the RayService of an overlay, or the RayJob of ``batch``."""
    (found,) = (o for o in build(name) if o["kind"] in {"RayService", "RayJob"})
    return found


def ray_cluster(name):
    """Return the description of the Ray cluster."""
    spec = ray_object(name)["spec"]
    return spec.get("rayClusterConfig") or spec["rayClusterSpec"]


def groups(name):
    """Return the group of the head and those of the workers, by name."""
    cluster = ray_cluster(name)
    workers = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"], **workers}


def pods(name):
    """Return every pod specification that the objects contain, by a readable name."""
    found = {group: spec["template"]["spec"] for group, spec in groups(name).items()}
    for o in build(name):
        if o["kind"] == "StatefulSet":
            found[o["metadata"]["name"]] = o["spec"]["template"]["spec"]
    submitter = ray_object(name)["spec"].get("submitterPodTemplate")
    return found | ({"submitter": submitter["spec"]} if submitter else {})


def containers(name):
    """Yield (name of the pod, container)."""
    for pod, spec in pods(name).items():
        for container in spec["containers"]:
            yield pod, container


def serve_config(name):
    """Return the configuration of Serve in an overlay."""
    return yaml.safe_load(ray_object(name)["spec"]["serveConfigV2"])


def deployments_of(name):
    """Return the blocks of the deployments in an overlay, by name."""
    blocks = serve_config(name)["applications"][0]["deployments"]
    return {block["name"]: block for block in blocks}
