"""What is checked before anything moves."""

from dataclasses import replace

import pytest

from deployments.operate.bank_change import BankChange
from deployments.operate.service_state import ServiceState
from scope.bank import save_bank
from scope.errors import BankIntegrityError, ConfigError
from tests.deployments.operate.test_service_state import details_of
from tests.factories.banks import LARGE, MIDDLE, labelled_pair
from tests.factories.second_encoders import fitted_with_both


def save(bank, path):
    save_bank(bank, path, created_at="2026-01-01T00:00:00+00:00", sources=())
    return path


@pytest.fixture
def old(tmp_path):
    return save(labelled_pair()[0], tmp_path / "old")


@pytest.fixture
def new(tmp_path):
    bank, _ = labelled_pair(models=(MIDDLE, LARGE), seed=1)
    return save(bank, tmp_path / "new")


def service_of(bank, *, status="RUNNING", **user_config):
    details = details_of(args={"bank": str(bank)}, status=status)
    (block,) = details["applications"]["scope"]["deployed_app_config"]["deployments"]
    block["user_config"] = {"access": {"anonymous": True}, **user_config}
    return ServiceState.from_details(details, "here")


def test_models_that_come_and_go_are_named(old, new):
    """
    An operator sees what clients can no longer ask for.
    """
    checked = []

    change = BankChange.plan(new, service_of(old), checked.append)

    assert change.notes == (
        "40 anchors and 2 models, before 40 and 2",
        "no longer predicted: small",
        "newly predicted: middle",
    )
    (config,) = checked
    assert config["applications"][0]["args"]["bank"] == str(new)


def test_a_model_without_an_upstream_or_outside_the_pool_is_named(old, new):
    """
    The bank predicts it; nothing would ever call it.
    """
    upstreams = {"middle": {"base_url": "http://127.0.0.1:1/v1"}}
    service = service_of(old, pool=["large"], upstreams=upstreams)

    notes = BankChange.plan(new, service, lambda _: None).notes

    assert "not in the pool, and so never chosen: middle" in notes
    assert "without an upstream, and so not called: large" in notes


def test_another_embedder_is_said(old, tmp_path):
    """
    It takes minutes to load, and no cached vector fits it.
    """
    bank, _ = labelled_pair()
    other = bank.embedder.model_copy(update={"name": "other-encoder", "revision": "2"})
    path = save(replace(bank, embedder=other), tmp_path / "embedded-again")

    (_, note) = BankChange.plan(path, service_of(old), lambda _: None).notes

    assert note.startswith("the embedder changes from hand-made")


def test_a_second_embedder_that_comes_is_said(tmp_path):
    """
    It is a deployment of its own, which has to start.
    """
    both = fitted_with_both()
    one = replace(both, joint_forecaster=None, second_gain=None)
    service = service_of(save(one, tmp_path / "one"))

    (_, note) = BankChange.plan(save(both, tmp_path / "both"), service, lambda _: None).notes

    assert note.startswith("the second embedder changes from none to second@1 layer 2")


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        pytest.param({"status": "UNHEALTHY"}, "is UNHEALTHY, expected RUNNING", id="unhealthy"),
        pytest.param({"bank": "/not/here"}, "/not/here, is not on this machine", id="elsewhere"),
    ],
)
def test_a_rollout_starts_from_where_it_can_go_back_to(old, new, service, sentence):
    """
    Else there is nothing to compare with, or to roll back to.
    """
    with pytest.raises(ConfigError, match=sentence):
        BankChange.plan(new, service_of(**{"bank": old, **service}), lambda _: None)


def test_the_bank_in_force_is_not_rolled_again(old):
    """
    A typo in the folder would restart all replicas for nothing.
    """
    with pytest.raises(ConfigError, match=r"is in force already, from .*old"):
        BankChange.plan(old, service_of(old), lambda _: None)


def test_a_damaged_bank_is_refused(old, new):
    """
    By its hashes, before a replica fails on it.
    """
    (new / "models.json").write_text((new / "models.json").read_text() + " ")

    with pytest.raises(BankIntegrityError, match="was altered"):
        BankChange.plan(new, service_of(old), lambda _: None)


def test_a_configuration_that_would_be_wrong_is_refused(old, new):
    """
    Whatever `scope check` says about it.
    """

    def check(_config):
        raise ConfigError("the pool names small, which the bank lacks")

    with pytest.raises(ConfigError, match="the pool names small"):
        BankChange.plan(new, service_of(old), check)
