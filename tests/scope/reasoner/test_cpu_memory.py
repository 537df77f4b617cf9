import json

import pytest

from scope.errors import EngineError
from scope.reasoner.cpu_memory import GIB, MachineMemory, bytes_per_token, cpu_memory_kwargs
from scope.reasoner.engine import EngineConfig, vllm_engine_kwargs
from scope.reasoner.spec import ReasonerConfig

SMOLLM2 = {
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
    "max_position_embeddings": 8_192,
}
"""23,040 bytes a token: 2 * 30 layers * 3 heads * 64 numbers of 2 bytes."""
BUSY = MachineMemory(16 * GIB, 12 * GIB)
"""A quarter is in use, so that vLLM's default of 92 % does not start."""


@pytest.fixture
def checkpoint(tmp_path):
    """Return a function that saves the configuration of a model."""

    def save(config):
        (tmp_path / "config.json").write_text(json.dumps(config))
        return str(tmp_path)

    return save


def sized(checkpoint, memory=BUSY, environ=None, *, tokens=8_192, **engine):
    """Return the size of the cache in bytes; None where vLLM is not told."""
    reasoner = ReasonerConfig(checkpoint=checkpoint, max_context_tokens=tokens)
    kwargs = vllm_engine_kwargs(reasoner, EngineConfig(accelerator="cpu", **engine))
    added = cpu_memory_kwargs(kwargs, checkpoint, memory, environ or {})
    return added.get("kv_cache_memory_bytes")


def test_a_cache_holds_all_replies_of_a_small_model(checkpoint):
    """
    4 replies of 512 tokens of 23,040 bytes: 53 MB of 12 GiB that are free, and not 14.7.
    """
    size = sized(checkpoint(SMOLLM2), tokens=512, max_num_seqs=4)

    assert size == 23_040 * (4 * 512 + 256)


@pytest.mark.parametrize(
    ("free_gib", "size_gib"),
    [
        pytest.param(12, 4, id="at most 4 GiB"),
        pytest.param(5, 2.5, id="at most half of what is free"),
    ],
)
def test_a_cache_leaves_memory_to_others(checkpoint, free_gib, size_gib):
    """
    64 replies of 8,192 tokens would take 11.3 GiB.
    """
    memory = MachineMemory(16 * GIB, free_gib * GIB)

    assert sized(checkpoint(SMOLLM2), memory) == size_gib * GIB


def test_a_cache_holds_one_reply_at_least(checkpoint):
    """
    A model of 1 MiB a token: 8,448 tokens take 8.25 GiB, more than half of what is free.
    """
    large = {**SMOLLM2, "num_key_value_heads": 64, "num_hidden_layers": 64}

    assert sized(checkpoint(large)) == 2**20 * (8_192 + 256)


def test_a_reply_that_does_not_fit_is_refused_with_what_can_be_done(checkpoint):
    """
    In words of our settings.
    """
    with pytest.raises(EngineError) as refused:
        sized(checkpoint(SMOLLM2), MachineMemory(16 * GIB, GIB // 10))

    assert str(refused.value) == (
        "0.1 of 16 GiB of memory are free, and the KV cache of one reply of 8192 tokens takes "
        "0.181; set reasoner.max_context_tokens to less, take a smaller model, or free memory"
    )


def test_a_share_that_is_set_is_passed_on(checkpoint):
    """
    vLLM takes half of all memory then, as on a GPU.
    """
    engine = EngineConfig(accelerator="cpu", gpu_memory_utilization=0.5)

    assert engine.vllm_kwargs()["gpu_memory_utilization"] == 0.5
    assert sized(checkpoint(SMOLLM2), gpu_memory_utilization=0.5) is None


def test_a_share_that_is_not_free_is_refused_with_one_that_is(checkpoint):
    """
    14.4 GiB of 16 are asked for and 12 are free: 0.75 would start.
    """
    with pytest.raises(EngineError) as refused:
        sized(checkpoint(SMOLLM2), gpu_memory_utilization=0.9)

    assert str(refused.value) == (
        "engine.gpu_memory_utilization is 0.9, which is 14.4 of the 16 GiB of memory, and 12 are "
        "free; set it to at most 0.75, leave it out (the KV cache then fits the model), or free "
        "memory"
    )


def test_the_variable_of_vllm_decides_where_it_is_set(checkpoint):
    """
    vLLM reads it after our arguments.
    """
    assert sized(checkpoint(SMOLLM2), environ={"VLLM_CPU_KVCACHE_SPACE": "1"}) is None


@pytest.mark.parametrize("config", [{}, {"n_layer": 12, "n_head": 12}, {"num_hidden_layers": 2}])
def test_a_model_that_does_not_say_gets_a_cache_all_the_same(checkpoint, config):
    """
    Half of what is free, at most 4 GiB.
    """
    assert sized(checkpoint(config)) == 4 * GIB


def test_a_folder_without_a_configuration_gets_a_cache_all_the_same(tmp_path):
    """
    vLLM will say what is wrong with it.
    """
    assert sized(str(tmp_path)) == 4 * GIB


@pytest.mark.parametrize(
    ("config", "dtype", "n_bytes"),
    [
        pytest.param(SMOLLM2, "bfloat16", 23_040, id="half precision"),
        pytest.param(SMOLLM2, "float32", 46_080, id="full precision"),
        pytest.param({"text_config": SMOLLM2}, "auto", 23_040, id="of a model with images"),
        pytest.param({**SMOLLM2, "head_dim": 128}, "auto", 46_080, id="own head size"),
        pytest.param({**SMOLLM2, "num_key_value_heads": None}, "auto", 69_120, id="all heads"),
    ],
)
def test_a_token_takes_keys_and_values_of_every_layer(config, dtype, n_bytes):
    """
    SmolLM2: 30 layers, 3 heads of 64 numbers, twice.
    """
    assert bytes_per_token(config, {"dtype": dtype}) == n_bytes


@pytest.mark.parametrize(
    ("cgroup", "memory"),
    [
        pytest.param({}, (16_000 * 1024, 12_000 * 1024), id="no limit"),
        pytest.param(
            {"memory.max": "max\n", "memory.current": "5"},
            (16_000 * 1024, 12_000 * 1024),
            id="no limit of the container",
        ),
        pytest.param({"memory.max": "2048", "memory.current": "1024"}, (2048, 1024), id="limit"),
    ],
)
def test_the_memory_of_a_container_is_its_limit(tmp_path, cgroup, memory):
    """
    The kernel tells a container of all memory of the machine.
    """
    (tmp_path / "meminfo").write_text("MemTotal: 16000 kB\nMemFree: 1 kB\nMemAvailable: 12000 kB\n")
    for name, text in cgroup.items():
        (tmp_path / name).write_text(text)

    assert MachineMemory.read(tmp_path, tmp_path) == memory
