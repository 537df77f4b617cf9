import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.check import check
from scope.errors import ScopeError
from scope.pool import PUBLISHED_MODELS, ModelSpec

ROOT = Path(__file__).parents[2]
FILE, GPU_FILE = ROOT / "serve_config.yaml", ROOT / "serve_config.gpu.yaml"


@pytest.fixture
def changed(tmp_path):
    """Write serve_config.yaml with a change made by a function of its content."""

    def write(change, file=FILE):
        config = yaml.safe_load(file.read_text())
        change(config)
        path = tmp_path / "serve_config.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write


def router(config):
    """The Router's block."""
    return config["applications"][0]["deployments"][0]


def test_the_file_that_comes_with_it_is_right():
    """
    All models decide, none is called, and only this machine may ask.
    """
    assert check(FILE) == "17 models, 0 with an upstream, on 127.0.0.1: nothing is wrong"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda c: router(c).update(max_ongoing_request=1),
            "unknown Router.max_ongoing_request; Serve would ignore it",
            id="typo of a deployment",
        ),
        pytest.param(
            lambda c: c["http_options"].update(hots="x"), "unknown http_options.hots", id="of http"
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(policy={"alpha": 2}),
            "policy.alpha: Input should be less than or equal to 1",
            id="alpha",
        ),
        pytest.param(lambda c: router(c).pop("user_config"), "access: Field required", id="none"),
        pytest.param(
            lambda c: c["http_options"].update(host="0.0.0.0"),
            "0.0.0.0 can be reached from other machines and no API key",
            id="open to the world",
        ),
        pytest.param(
            lambda c: router(c).update(name="Rooter"), "no deployment Rooter; expected", id="name"
        ),
        pytest.param(
            lambda c: c["applications"][0]["deployments"][1]["user_config"].update(wait_s=-1),
            "wait_s",
            id="batching",
        ),
        pytest.param(
            lambda c: router(c).update(max_ongoing_requests="many"),
            "max_ongoing_requests",
            id="wrong type",
        ),
        pytest.param(
            lambda c: c["applications"][0].update(args={"bank": "/nowhere"}), "/nowhere", id="bank"
        ),
    ],
)
def test_a_mistake_is_told_before_anything_starts(changed, change, message):
    """
    In one sentence, with its field.
    """
    with pytest.raises(ScopeError) as refused:
        check(changed(change))

    assert message in str(refused.value)


def args(config):
    """The arguments of the application."""
    return config["applications"][0]["args"]


def engines(config):
    """The block of the engines."""
    return config["applications"][0]["deployments"][3]


def test_the_file_for_gpus_is_right():
    """
    Where its bank is not, it says so.
    """
    assert check(GPU_FILE) == (
        "13 models, 0 with an upstream, on 127.0.0.1: nothing is wrong; at most 3 engines of "
        "1 GPU take 3; but bank /banks/scope is not on this machine: that it fits was not checked"
    )


def test_the_file_for_gpus_has_the_published_models_at_their_prices():
    """
    All thirteen, and the published reasoner.
    """
    config = yaml.safe_load(GPU_FILE.read_text())
    models = [ModelSpec(**model) for model in router(config)["user_config"]["models"]]

    assert tuple(models) == PUBLISHED_MODELS
    assert args(config)["reasoner"]["checkpoint"] == "Cooolder/SCOPE"


def test_every_deployment_for_gpus_is_bounded():
    """
    Nothing queues or scales without an end.
    """
    config = yaml.safe_load(GPU_FILE.read_text())
    for block in config["applications"][0]["deployments"]:
        scaling = block["autoscaling_config"]
        assert block["max_queued_requests"] <= 1024
        assert scaling["target_ongoing_requests"] < block["max_ongoing_requests"] <= 1024
        assert 1 <= scaling["min_replicas"] <= scaling["max_replicas"]


def test_a_bank_that_is_there_must_fit_the_reasoner(changed, tmp_path):
    """
    The embedded one has no texts.
    """
    path = changed(lambda c: args(c).pop("bank"), GPU_FILE)

    with pytest.raises(ScopeError, match="has no question texts"):
        check(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda c: args(c)["reasoner"]["engine"].update(tensor_paralel=2),
            "reasoner.engine.tensor_paralel",
            id="typo",
        ),
        pytest.param(
            lambda c: args(c)["reasoner"]["engine"].update(tensor_parallel=8),
            "one engine needs 8 GPUs on one node, and engine.gpus_per_node says that none has more "
            "than 4; let tensor_parallel be at most 4",
            id="tensor parallelism that no node can hold",
        ),
        pytest.param(
            lambda c: args(c)["reasoner"].update(samples=4),
            "samples is 4 and temperature 0",
            id="samples that would be the same",
        ),
        pytest.param(
            lambda c: args(c).pop("reasoner"),
            "no deployment ScopeEngine; expected Router, Embedder, Predictor",
            id="a block of nothing",
        ),
        pytest.param(
            lambda c: engines(c)["autoscaling_config"].update(target_ongoing_requests=100),
            "target_ongoing_requests is 100, but an engine never has more than "
            "max_ongoing_requests, 64",
            id="a target that is never reached",
        ),
        pytest.param(
            lambda c: engines(c).update(placement_group_strategy="SPREAD"),
            "ScopeEngine.placement_group_strategy would overrule args.reasoner.engine",
            id="placed elsewhere",
        ),
        pytest.param(
            lambda c: router(c)["user_config"]["reasoning"].update(mode="always"),
            "reasoning.mode",
            id="mode",
        ),
    ],
)
def test_a_mistake_in_the_file_for_gpus_is_told(changed, change, message):
    """
    With its field, and the arithmetic.
    """
    with pytest.raises(ScopeError) as refused:
        check(changed(change, GPU_FILE))

    assert message in str(refused.value)


def test_to_reason_without_a_reasoner_is_refused(changed):
    """
    The Router's settings and the arguments must go together.
    """
    path = changed(lambda c: router(c)["user_config"].update(reasoning={"mode": "exact"}))

    with pytest.raises(ScopeError, match="there is no engine to query"):
        check(path)


def test_the_command_ends_with_two_and_no_traceback(changed):
    """
    As a user runs it.
    """
    path = changed(lambda c: router(c)["user_config"].update(typo=1))

    ended = subprocess.run(
        [sys.executable, "-m", "deployments.check", str(path)], capture_output=True, text=True
    )

    assert ended.returncode == 2
    assert "typo" in ended.stderr
    assert "Traceback" not in ended.stderr
