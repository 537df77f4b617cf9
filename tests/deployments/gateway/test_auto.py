"""``policy: auto``: one model for all prompts where routing is not shown to pay."""

from dataclasses import replace

import pytest

from tests.deployments.local import Site
from tests.factories.banks import gain_of, two_kinds

PROMPTS = ["a question of law", "a sum"]


@pytest.fixture
def decided(tmp_path):
    """Decide `PROMPTS` at alpha 1 with a bank of this finding; returns decisions and site."""

    def decide(gain, **policy):
        site = Site(tmp_path, replace(two_kinds(), routing_gain=gain))
        with site.open(policy={"alpha": 1.0, **policy}) as client:
            return client.post("/v1/route", json={"prompts": PROMPTS}).json()["decisions"], site

    return decide


def test_prompts_are_routed_where_it_pays(decided):
    """
    As without it.
    """
    with_auto, site = decided(gain_of(0.01), auto=True)

    assert {decision["source"] for decision in with_auto} == {"anchors"}
    assert len(site.embedder.calls) == 1


def test_all_prompts_get_one_model_where_it_does_not(decided):
    """
    By the models' means, without embedding a prompt.
    """
    decisions, site = decided(None, auto=True)

    assert {decision["source"] for decision in decisions} == {"means"}
    assert len({decision["model"] for decision in decisions}) == 1
    assert all(decision["degraded"] is None for decision in decisions)
    assert all(decision["reason"].startswith("mean p 0.") for decision in decisions)
    assert site.embedder.calls == site.predictor.calls == []


def test_an_operator_who_does_not_ask_for_it_routes(decided):
    """
    The default.
    """
    decisions, _ = decided(gain_of(-0.1))

    assert {decision["source"] for decision in decisions} == {"anchors"}
