"""What the engine's deployment asks of Ray Serve and of vLLM, where neither need run."""

import sys

import pytest

from deployments.replicas.engine import (
    RefusedPromptError,
    _unwrap_choices,
    build_engine,
    deployment_config,
    engine_kwargs,
)
from deployments.replicas.reasoner import ReasonerArgs
from scope.errors import ConfigError
from scope.reasoner.engine import EngineConfig


def args(**engine):
    """Arguments of a reasoner with this engine."""
    return ReasonerArgs(checkpoint="owner/name", revision="c0ffee", engine=EngineConfig(**engine))


def test_everything_that_queues_is_bounded():
    """
    By what one engine generates at once; Ray LLM's own bounds are a billion.
    """
    told = deployment_config(args(max_num_seqs=32))

    assert told["max_ongoing_requests"] == 32
    assert told["max_queued_requests"] == 128
    assert told["autoscaling_config"]["target_ongoing_requests"] == 24


def test_vllm_is_told_which_weights_and_nothing_of_the_checkpoints_own_taste():
    """
    Its top_p would cut off the less likely answer; requests are not logged.
    """
    told = engine_kwargs(args(accelerator="cpu"))

    assert told["revision"] == told["tokenizer_revision"] == "c0ffee"
    assert told["generation_config"] == "vllm"
    assert told["enable_log_requests"] is False
    assert told["trust_remote_code"] is False
    assert told["logprobs_mode"] == "processed_logprobs"
    assert told["max_model_len"] == 8192


def test_an_error_that_is_yielded_is_raised():
    """
    Ray LLM's errors are values, of a class that its public one does not cover.
    """

    class Told:
        message = "the prompt is too long"

    class Error:
        error = Told

    with pytest.raises(RefusedPromptError, match="too long"):
        _unwrap_choices(Error())


def test_without_vllm_it_says_what_to_install(monkeypatch):
    """
    In one sentence, when the application is built.
    """
    monkeypatch.setitem(sys.modules, "vllm", None)

    with pytest.raises(ConfigError, match=r"vLLM, which is not installed here; pip install"):
        build_engine(args())
