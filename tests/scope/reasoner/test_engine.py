"""Placement and arguments of an engine."""

import pytest

from scope.config import parse
from scope.errors import ClusterError, ConfigError
from scope.reasoner.engine import EngineConfig, check_capacity, n_engines_that_fit


def test_every_worker_of_an_engine_gets_a_gpu_on_one_node():
    """Tensor parallelism across nodes is slower than a single GPU."""
    assert EngineConfig(tensor_parallel=4, cpus_per_worker=2).placement == {
        "bundle_per_worker": {"GPU": 1, "CPU": 2},
        "strategy": "STRICT_PACK",
    }


def test_an_engine_on_a_cpu_reserves_no_gpu():
    """And vLLM gets no setting of GPU memory."""
    engine = EngineConfig(accelerator="cpu")
    assert engine.bundle == {"CPU": 1}
    assert "gpu_memory_utilization" not in engine.vllm_kwargs()


def test_vllm_kwargs_use_the_names_of_vllm():
    """Every field that vLLM needs is among them."""
    engine = EngineConfig(tensor_parallel=2, max_num_seqs=8, dtype="bfloat16", eager=True)
    assert engine.vllm_kwargs() == {
        "tensor_parallel_size": 2,
        "dtype": "bfloat16",
        "max_num_seqs": 8,
        "enforce_eager": True,
        "gpu_memory_utilization": 0.9,
    }


@pytest.mark.parametrize(
    ("engine", "gpus_n", "message"),
    [
        pytest.param(
            EngineConfig(tensor_parallel=8),
            [0, 4, 4],
            "tensor_parallel is 8: one engine needs 8 GPUs on one node, and the largest of 3 has 4 "
            "(8 in all); set tensor_parallel to at most 4",
            id="two nodes that are large enough only together",
        ),
        pytest.param(
            EngineConfig(tensor_parallel=8, gpus_per_node=4),
            [],
            "tensor_parallel is 8: one engine needs 8 GPUs on one node, and engine.gpus_per_node "
            "is 4; set tensor_parallel to at most 4",
            id="more than any future node",
        ),
        pytest.param(
            EngineConfig(),
            [0, 0],
            "an engine needs 1 GPU, and no node has one; set engine.accelerator to cpu, or "
            "engine.gpus_per_node to the GPUs of a node that the cluster can add",
            id="no GPU anywhere",
        ),
    ],
)
def test_an_engine_that_fits_on_no_node_is_rejected(engine, gpus_n, message):
    """Ray would wait for such a node without end; the message has both numbers."""
    with pytest.raises(ClusterError) as error:
        check_capacity(engine, gpus_n)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("engine", "gpus_n"),
    [
        pytest.param(EngineConfig(tensor_parallel=4), [4, 4], id="a whole node"),
        pytest.param(EngineConfig(tensor_parallel=8, gpus_per_node=8), [0], id="a future node"),
        pytest.param(EngineConfig(accelerator="cpu"), [0], id="on a CPU"),
    ],
)
def test_an_engine_that_fits_is_accepted(engine, gpus_n):
    """On a present node or on one that the cluster can add."""
    assert check_capacity(engine, gpus_n) is None


def test_an_engine_is_not_split_across_nodes():
    """Two nodes of 6 GPUs hold two engines of 4, although they have 12 GPUs."""
    assert n_engines_that_fit(EngineConfig(tensor_parallel=4), [6, 6]) == 2


def test_a_cpu_cannot_share_weights():
    """vLLM's Ray executor does not run on a CPU."""
    with pytest.raises(ConfigError, match="tensor_parallel is 2; an engine on a CPU has 1 worker"):
        parse(EngineConfig, {"accelerator": "cpu", "tensor_parallel": 2}, "engine")
