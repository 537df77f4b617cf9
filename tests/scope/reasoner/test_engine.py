"""How an engine is placed, and which cannot be."""

import pytest

from scope.config import parse
from scope.errors import ClusterError, ConfigError
from scope.reasoner.engine import EngineConfig, check_capacity, n_engines_that_fit


def test_every_worker_of_an_engine_gets_a_gpu_on_one_node():
    """Tensor parallelism over a network is slower than a single GPU."""
    assert EngineConfig(tensor_parallel=4, cpus_per_worker=2).placement == {
        "bundle_per_worker": {"GPU": 1, "CPU": 2},
        "strategy": "STRICT_PACK",
    }


def test_an_engine_on_a_cpu_asks_for_no_gpu():
    """Nor does vLLM get told of the memory of one."""
    engine = EngineConfig(accelerator="cpu")
    assert engine.bundle == {"CPU": 1}
    assert "gpu_memory_utilization" not in engine.vllm_kwargs()


def test_vllm_is_told_how_many_gpus_share_the_weights():
    """Under vLLM's own names."""
    told = EngineConfig(
        tensor_parallel=2, max_num_seqs=8, dtype="bfloat16", eager=True
    ).vllm_kwargs()
    assert told == {
        "tensor_parallel_size": 2,
        "dtype": "bfloat16",
        "max_num_seqs": 8,
        "enforce_eager": True,
        "gpu_memory_utilization": 0.9,
    }


@pytest.mark.parametrize(
    ("engine", "gpus_n", "told"),
    [
        pytest.param(
            EngineConfig(tensor_parallel=8),
            [0, 4, 4],
            "tensor_parallel is 8: one engine needs 8 GPUs on one node, and the largest of 3 has 4 "
            "(8 in all); let tensor_parallel be at most 4",
            id="two nodes that together would do",
        ),
        pytest.param(
            EngineConfig(tensor_parallel=8, gpus_per_node=4),
            [],
            "tensor_parallel is 8: one engine needs 8 GPUs on one node, and engine.gpus_per_node "
            "says that none has more than 4; let tensor_parallel be at most 4",
            id="more than any node will have",
        ),
        pytest.param(
            EngineConfig(),
            [0, 0],
            "an engine needs 1 GPU, and no node has one; let engine.accelerator be cpu, or "
            "engine.gpus_per_node say what nodes the cluster can get",
            id="no GPU anywhere",
        ),
    ],
)
def test_an_engine_that_no_node_can_hold_is_refused_with_the_arithmetic(engine, gpus_n, told):
    """It would wait for ever."""
    with pytest.raises(ClusterError) as refused:
        check_capacity(engine, gpus_n)
    assert str(refused.value) == told


@pytest.mark.parametrize(
    ("engine", "gpus_n"),
    [
        pytest.param(EngineConfig(tensor_parallel=4), [4, 4], id="a whole node"),
        pytest.param(EngineConfig(tensor_parallel=8, gpus_per_node=8), [0], id="a node to come"),
        pytest.param(EngineConfig(accelerator="cpu"), [0], id="on a CPU"),
    ],
)
def test_an_engine_that_fits_is_not_refused(engine, gpus_n):
    """Whether now or once the cluster has grown."""
    check_capacity(engine, gpus_n)


def test_half_of_two_nodes_makes_no_node():
    """Two nodes of 6 GPUs hold two engines of 4, though 12 GPUs are there."""
    assert n_engines_that_fit(EngineConfig(tensor_parallel=4), [6, 6]) == 2


def test_a_cpu_cannot_share_weights():
    """vLLM's Ray executor does not run on a CPU."""
    with pytest.raises(ConfigError, match="tensor_parallel is 2; an engine on a CPU has 1 worker"):
        parse(EngineConfig, {"accelerator": "cpu", "tensor_parallel": 2}, "engine")
