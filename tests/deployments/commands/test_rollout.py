"""``scope rollout`` and ``scope status`` without a cluster: what they refuse, in a sentence."""

import pytest

NOWHERE = ("--address", "http://127.0.0.1:1")


@pytest.mark.parametrize("command", [("status",), ("rollout", "BANK", "--no-comparison")])
def test_without_a_dashboard_there_is_one_sentence(scope, tmp_path, command):
    """
    The exit code is 2; nothing is written but the folder of the journal.
    """
    state = ("--state", tmp_path / "rollouts") if command[0] == "rollout" else ()

    code, out, err = scope(*command, *NOWHERE, *state)

    assert (code, out) == (2, "")
    assert err.startswith("scope: ")
    assert "http://127.0.0.1:1 does not answer" in err.replace("\n", " ")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        pytest.param([], "name the bank to put in force", id="no bank"),
        pytest.param(["BANK"], "--no-comparison", id="no comparison"),
        pytest.param(["--back"], "has no unfinished rollout", id="nothing to undo"),
        pytest.param(["--resume"], "has no unfinished rollout", id="nothing to finish"),
        pytest.param(["--resume", "--back"], "exclude each other", id="both"),
        pytest.param(["BANK", "--back"], "leave out BANK", id="a bank to undo"),
    ],
)
def test_a_rollout_that_is_not_clear_does_not_begin(scope, tmp_path, flags, sentence):
    """
    The exit code is 2, before the cluster is asked.
    """
    code, _, err = scope("rollout", *flags, *NOWHERE, "--state", tmp_path)

    assert code == 2
    assert sentence in " ".join(err.split())


def test_a_killed_rollout_must_be_ended_first(scope, tmp_path):
    """
    Its previous configuration is in the journal, and only there.
    """
    from deployments.operate.journal import RolloutJournal
    from tests.deployments.operate.test_journal import record_of

    RolloutJournal(tmp_path).write(record_of(phase="watching"))

    code, _, err = scope("rollout", "BANK", "--no-comparison", *NOWHERE, "--state", tmp_path)

    assert code == 2
    assert "the rollout of /new was killed while watching" in " ".join(err.split())


def test_a_key_variable_that_is_not_set_is_named(scope):
    """
    An empty key would be an "unauthorized" later.
    """
    code, _, err = scope("status", *NOWHERE, "--key-variable", "SCOPE_TEST_NO_KEY")

    assert code == 2
    assert "SCOPE_TEST_NO_KEY is not set" in " ".join(err.split())


def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(scope):
    """
    By `scope status`, too.
    """
    key = "sk-proj-0123456789abcdef"

    code, out, err = scope("status", *NOWHERE, "--key-variable", key)

    assert code == 2
    assert "--key-variable is no name of an environment variable" in " ".join(err.split())
    assert key not in out + err
