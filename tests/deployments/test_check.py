import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.check import check
from scope.errors import ScopeError

FILE = Path(__file__).parents[2] / "serve_config.yaml"


@pytest.fixture
def changed(tmp_path):
    """Write serve_config.yaml with a change made by a function of its content."""

    def write(change):
        config = yaml.safe_load(FILE.read_text())
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
