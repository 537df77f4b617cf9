"""The arguments of Ray Serve and vLLM, without running either."""

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


def test_queues_are_bounded():
    """
    By a multiple of `max_num_seqs`; Ray LLM's own limits are 1e9.
    """
    config = deployment_config(args(max_num_seqs=32))

    assert config["max_ongoing_requests"] == 32
    assert config["max_queued_requests"] == 128
    assert config["autoscaling_config"]["target_ongoing_requests"] == 24


def test_vllm_gets_the_revision_and_ignores_the_generation_config_of_the_checkpoint():
    """
    Its top_p could remove one of the two answers; requests are not logged.
    """
    kwargs = engine_kwargs(args(accelerator="cpu"))

    assert kwargs["revision"] == kwargs["tokenizer_revision"] == "c0ffee"
    assert kwargs["generation_config"] == "vllm"
    assert kwargs["enable_log_requests"] is False
    assert kwargs["trust_remote_code"] is False
    assert kwargs["logprobs_mode"] == "processed_logprobs"
    assert kwargs["max_model_len"] == 8192


def test_an_error_that_is_yielded_is_raised():
    """
    Ray LLM's errors are of another class than its public one.
    """

    class Details:
        message = "the prompt is too long"

    class Error:
        error = Details

    with pytest.raises(RefusedPromptError, match="too long"):
        _unwrap_choices(Error())


def test_without_vllm_the_error_names_the_package(monkeypatch):
    """
    When the application is built.
    """
    monkeypatch.setitem(sys.modules, "vllm", None)

    with pytest.raises(ConfigError, match=r"vLLM, which is not installed here; pip install"):
        build_engine(args())
