import pytest
import yaml

from deployments.manifests import check_files
from deployments.manifests.capacity import capacity_mistakes, workers_of
from tests.factories.manifests import RAY_SERVICE

GPU = "nvidia.com/gpu"


def service(limits, most=2):
    """Return a RayService whose workers have these limits."""
    document = yaml.safe_load(RAY_SERVICE)
    group = document["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    group |= {"minReplicas": 1, "replicas": 1, "maxReplicas": most}
    group["template"]["spec"]["containers"][0]["resources"]["limits"] = limits
    return document


def config(**block):
    """Return a Serve configuration with one deployment."""
    return {"applications": [{"name": "a", "deployments": [{"name": "D", **block}]}]}


def mistakes(serve, limits, most=2):
    """Return (level, sentence) of what does not fit."""
    found = capacity_mistakes(serve, workers_of(service(limits, most)))
    return [(mistake.level, mistake.sentence) for mistake in found]


@pytest.mark.parametrize(
    ("block", "limits", "level", "sentence"),
    [
        pytest.param(
            {"ray_actor_options": {"num_cpus": 5}},
            {"cpu": "4"},
            "error",
            "one replica of D needs 5 CPUs, and no worker has that (cpu has 4 CPUs)",
            id="CPUs of one replica",
        ),
        pytest.param(
            {"ray_actor_options": {"num_gpus": 1}},
            {"cpu": "4"},
            "error",
            "one replica of D needs 1 CPU, 1 GPU, and no worker has that",
            id="a GPU where there is none",
        ),
        pytest.param(
            {"ray_actor_options": {"memory": 2**31}},
            {"cpu": "4", "memory": "1Gi"},
            "error",
            "one replica of D needs 1 CPU, 2 GiB, and no worker has that",
            id="memory",
        ),
        pytest.param(
            {
                "placement_group_bundles": [{"GPU": 1}, {"GPU": 1}],
                "placement_group_strategy": "STRICT_PACK",
            },
            {"cpu": "4", GPU: "1"},
            "error",
            "one replica of D needs 2 GPUs, and no worker has that (cpu has 4 CPUs, 1 GPU)",
            id="bundles on one node",
        ),
        pytest.param(
            {"num_replicas": 9},
            {"cpu": "4"},
            "error",
            "min_replicas of all deployments need 9 CPUs, and the workers have 8 at most",
            id="more replicas than CPUs",
        ),
        pytest.param(
            {"autoscaling_config": {"min_replicas": 1, "max_replicas": 9}},
            {"cpu": "4"},
            "warning",
            "max_replicas of all deployments need 9 CPUs, and the workers have 8 at most",
            id="an autoscaler that ends early",
        ),
    ],
)
def test_what_does_not_fit_is_found(block, limits, level, sentence):
    """
    Two workers of four CPUs have eight.
    """
    [(found_level, found)] = mistakes(config(**block), limits)

    assert found_level == level
    assert sentence in found


@pytest.mark.parametrize(
    ("block", "limits"),
    [
        pytest.param({"num_replicas": 8}, {"cpu": "4"}, id="exactly"),
        pytest.param({"ray_actor_options": {"num_cpus": 0.5}}, {"cpu": "500m"}, id="millicores"),
        pytest.param(
            {"placement_group_bundles": [{"GPU": 1}, {"GPU": 1}]},
            {"cpu": "4", GPU: "1"},
            id="bundles on two nodes",
        ),
        pytest.param({"ray_actor_options": {"num_cpus": 99}}, {}, id="limits that are not known"),
    ],
)
def test_what_fits_is_no_mistake(block, limits):
    """
    A worker without a limit is not compared: its machine decides.
    """
    assert mistakes(config(**block), limits) == []


def test_an_engine_larger_than_a_worker_is_found(tmp_path):
    """
    An engine of four GPUs stays pending for ever on workers of two.
    """
    document = service({"cpu": "16", "memory": "64Gi", GPU: "2"}, most=4)
    serve = yaml.safe_load(document["spec"]["serveConfigV2"])
    reasoner = {"checkpoint": "m", "engine": {"tensor_parallel": 4, "gpus_per_node": 4}}
    serve["applications"][0]["args"] = {"bank": "/shared/bank", "reasoner": reasoner}
    serve["applications"][0]["deployments"].append({"name": "ScopeEngine"})
    document["spec"]["serveConfigV2"] = yaml.safe_dump(serve)
    path = tmp_path / "rayservice.yaml"
    path.write_text(yaml.safe_dump(document))

    messages = [finding.message for finding in check_files([path])]

    assert messages == [
        "engine.gpus_per_node is 4, and a worker has 2 GPUs",
        "one replica of ScopeEngine needs 4 GPUs, 4 CPUs, and no worker has that "
        "(cpu has 16 CPUs, 2 GPUs, 64 GiB)",
    ]
