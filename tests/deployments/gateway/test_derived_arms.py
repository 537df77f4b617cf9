"""Arms whose probability is derived from that of one sample, by the strategy prehoc."""

from dataclasses import replace

import pytest

from scope.errors import ConfigError
from scope.pool import Resampling
from tests.deployments.local import Site as LocalSite
from tests.factories.banks import two_kinds

PROMPT = {"prompt": "what is two plus three"}


@pytest.fixture
def bank():
    """The small model is right on nine of ten questions of maths; its samples are known."""
    bank = two_kinds()
    known = Resampling(concentration=5.0, odds=9.0, selector="majority", source="assumed")
    small, large = bank.models
    return replace(bank, models=(small.model_copy(update={"resampling": known}), large))


@pytest.fixture
def site(tmp_path, bank):
    return LocalSite(tmp_path, bank)


def candidate(got, name):
    (found,) = (one for one in got["candidates"] if one["model"] == name)
    return found


def test_the_pool_may_name_several_samples(site):
    """
    They cost three times as much and are more often right; the prior is named.
    """
    with site.open(pool=["small", "small@3", "large"]) as client:
        got = client.post("/v1/route", json=PROMPT).json()

    one, three = candidate(got, "small"), candidate(got, "small@3")
    assert three["cost_usd"] == pytest.approx(3 * one["cost_usd"])
    assert three["p_correct"] > one["p_correct"]
    assert got["assumed"] == ["small@3"]


def test_a_floor_of_quality_may_need_several_samples(site):
    """
    Between one sample and three lies a floor that only three reach.
    """
    with site.open(pool=["small", "small@3", "large"]) as client:
        got = client.post("/v1/route", json=PROMPT).json()
        between = (
            candidate(got, "small")["p_correct"] + candidate(got, "small@3")["p_correct"]
        ) / 2
        floor = client.post("/v1/route", json=PROMPT | {"scope": {"min_quality": between}}).json()

    assert floor["model"] == "small@3"


def test_a_client_may_ask_for_samples_of_a_model_of_the_pool(site):
    """
    As many as it may ask for choices; they need not be in the pool.
    """
    scope = {"allowed_models": ["small@3"]}
    with site.open() as client:
        got = client.post("/v1/route", json=PROMPT | {"scope": scope}).json()

    assert got["model"] == "small@3"
    assert [one["model"] for one in got["candidates"]] == ["small@3"]


def test_new_prices_of_a_model_are_those_of_its_samples(site):
    """
    The settings say nothing of samples, which stay known.
    """
    free = {"id": "small", "usd_per_mtok_in": 0, "usd_per_mtok_out": 0}
    with site.open(pool=["small@3", "large"], models=[free]) as client:
        got = client.post("/v1/route", json=PROMPT).json()

    assert candidate(got, "small@3")["cost_usd"] == 0


def test_samples_of_a_model_without_fitted_samples_are_refused(site):
    """
    Before the settings are in force; the sentence names the command.
    """
    with site.open() as client:
        assert client.get("/health").status_code == 200
        with pytest.raises(ConfigError, match=r"nothing predicts large@5.*scope bank fit-samples"):
            site.configure(pool=["small@3", "large@5"])
