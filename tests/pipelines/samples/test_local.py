"""Responses of a tiny checkpoint with random weights, drawn by a real vLLM."""

import json
from importlib.util import find_spec

import pytest

from scope.samples import read_samples
from tests.factories.checkpoints import needs_vllm, tiny_checkpoint

ENGINE = """
engine: {accelerator: cpu, cpus_per_worker: 1, dtype: float32, eager: true, max_num_seqs: 8}
"""


@pytest.fixture
def arguments(tmp_path):
    """The command for two prompts, three samples each."""
    rows = [{"id": f"q{n}", "prompt": f"What is {n}?"} for n in range(2)]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    (tmp_path / "job.yaml").write_text(ENGINE)
    checkpoint = tmp_path / "checkpoint"
    if find_spec("vllm") is not None:
        tiny_checkpoint(checkpoint)
    flags = {
        "--prompts": tmp_path / "prompts.json",
        "--models": "tiny",
        "--n": 3,
        "--max-tokens": 4,
        "--seed": 1,
        "--checkpoint": checkpoint,
        "--config": tmp_path / "job.yaml",
        "--output": tmp_path / "drawn",
    }
    return ["samples", "draw", *(part for pair in flags.items() for part in pair)]


@pytest.mark.vllm
@needs_vllm
def test_responses_are_drawn_by_a_local_engine(scope, arguments, tmp_path):
    """
    Tokens are counted, nothing is billed, and a second run draws nothing.
    """
    code, _, err = scope(*arguments)

    assert code == 0, err
    samples = read_samples(tmp_path / "drawn/samples.parquet")
    assert samples.known_qmo().shape == (2, 1, 3)
    assert (samples.completion_tokens_qmo <= 4).all()
    assert (samples.prompt_tokens_qm > 0).all()
    journal = (tmp_path / "drawn/journal.jsonl").read_text()
    assert scope(*arguments)[0] == 0
    assert (tmp_path / "drawn/journal.jsonl").read_text() == journal


@pytest.mark.skipif(find_spec("vllm") is not None, reason="needs an environment without vLLM")
def test_a_missing_vllm_is_named(scope, arguments):
    """
    With what to install.
    """
    code, _, err = scope(*arguments)

    assert code == 2
    assert "--checkpoint runs on vLLM, which is not installed" in " ".join(err.split())
