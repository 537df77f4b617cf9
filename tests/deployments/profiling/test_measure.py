"""What of ``scope bench-replica`` needs no Serve; the rest is in `test_bench_replica`."""

import itertools
from pathlib import Path

import pytest
import yaml

from deployments.checks import check_config
from deployments.profiling.bench import application_of
from deployments.profiling.live_serve import small_config
from deployments.profiling.measure_replicas import (
    ReplicaJob,
    batch_sizes,
    describe_machine,
    measure_replica,
    time_replica,
)
from deployments.profiling.measure_router import measure_router
from deployments.profiling.prompts import distinct_prompts
from deployments.replicas.app_config import AppConfig
from deployments.replicas.selector import SelectorArgs
from scope import EMBEDDED_BANK
from scope.errors import ConfigError
from tests.factories.banks import LARGE, SMALL
from tests.factories.routers import tiny_reward, tiny_router

ROOT = Path(__file__).parents[3]


def test_prompts_have_the_wanted_length_and_are_all_different():
    """
    64 tokens of four characters, 1,000 times, and others with another seed.
    """
    prompts = list(itertools.islice(distinct_prompts(64), 1000))

    assert {len(prompt) for prompt in prompts} == {256}
    assert len(set(prompts)) == 1000
    assert not set(prompts) & set(itertools.islice(distinct_prompts(64, seed=1), 1000))


def test_a_predictor_is_timed_at_each_batch_size():
    """
    Batches of 1, 2 and 4 calls, each several times; every time is known.
    """
    told = []
    job = ReplicaJob("Predictor", AppConfig(), batch_sizes(4), (1,), 1.0)

    measured = measure_replica(job, {"num_cpus": 0.2}, told.append)

    assert told == ["Predictor: 1 s of batches of 1 to 4"]
    assert (measured.batches, measured.lengths) == ([1, 2, 4], [1])
    assert min(row.n for row in measured.rows) >= 5
    assert all(0 < row.median_s < 1 for row in measured.rows)
    assert measured.threads == 1


def test_a_selector_and_a_learned_router_are_timed_where_they_are_configured(tmp_path):
    """
    Tiny ones, in this process: texts of 8 tokens, alone and in pairs.
    """
    routers = {"hybridllm": str(tiny_router(tmp_path / "r", {"small": 0.3}, (SMALL, LARGE)))}
    args = AppConfig(
        routers=routers, selector=SelectorArgs(model=str(tiny_reward(tmp_path / "reward")))
    )

    for name in ("Selector", "LearnedRouter"):
        measured = time_replica(ReplicaJob(name, args, (1, 2), (8,), 0.1), 1)
        assert [(row.batch, row.prompt_tokens) for row in measured.rows] == [(1, 8), (2, 8)]


def test_a_router_is_faster_with_a_prompt_that_it_knows():
    """
    It then asks no replica; both take some milliseconds.
    """
    measured = measure_router(str(EMBEDDED_BANK), prompt_tokens=64, seconds=0.3)

    assert 0 < measured.cached_s < 1.2 * measured.uncached_s < 0.5
    assert measured.n >= 10


def test_the_machine_is_described():
    """
    With the versions of what does the work.
    """
    machine = describe_machine()

    assert machine.cores >= 1
    assert {"python", "ray", "torch"} <= set(machine.versions)


@pytest.mark.parametrize("file", ["serve_config.yaml", "serve_config.gpu.yaml"])
def test_the_serve_that_is_measured_has_one_replica_of_each(file):
    """
    Without reasoner, and valid where its bank is on this machine.
    """
    application = application_of(yaml.safe_load((ROOT / file).read_text()))
    config = small_config(application, ("Embedder", "Predictor"))
    (ours,) = config["applications"]

    names = [block["name"] for block in ours["deployments"]]
    assert names == ["Router", "Embedder", "Predictor"]
    assert {block["autoscaling_config"]["max_replicas"] for block in ours["deployments"]} == {1}
    assert "reasoner" not in ours["args"]
    if file == "serve_config.yaml":
        assert "valid: 17 models" in check_config(config)


def test_a_configuration_of_another_application_is_refused():
    """
    There is nothing of ours to measure.
    """
    with pytest.raises(ConfigError, match="no application has import_path"):
        application_of({"applications": [{"import_path": "other:app"}]})
