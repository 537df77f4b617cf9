"""A new bank while clients ask."""

import asyncio
import time
from collections import Counter

import pytest

from scope import EMBEDDED_BANK
from scope.bank.store import load_bank, save_bank
from tests.deployments.serving import READY_S, figures, fixed, load
from tests.deployments.test_app import questions

pytestmark = [pytest.mark.ray, pytest.mark.slow]

REPLICAS = {"Router": 2, "Embedder": 2, "Predictor": 2}


def test_a_new_bank_rolls_out_without_a_5xx(served, tmp_path):
    """
    Two replicas of each deployment, each replaced while eight clients ask. All get an answer, by
    the old bank or by the new one; where a Router meets a Predictor of the other bank, by
    its own kNN estimate. Afterwards the model that the new bank lacks is no candidate.
    """
    old = load_bank(EMBEDDED_BANK)
    prompts = questions(100, seed=6)
    new = old.select_models(old.model_ids[1:])
    save_bank(new, tmp_path / "bank", created_at="2026-01-01T00:00:00+00:00", sources=())
    two = {"Router": fixed(2) | {"user_config": {"max_cached_predictions": 0}}}
    two |= {"Embedder": fixed(2), "Predictor": fixed(2)}
    served.deploy(**two)
    served.until(lambda: served.runs(REPLICAS), "there are two of each")
    before = {name: set(served.pids(name)) for name in REPLICAS}
    times = {}

    async def ask(client, n):
        return await client.post("/v1/route", json={"prompt": prompts[n % len(prompts)]})

    def roll():
        began_at = time.monotonic()
        served.deploy(args={"bank": str(tmp_path / "bank")}, **two)
        served.until(
            lambda: (
                served.runs(REPLICAS)
                and not any(before[name] & set(served.pids(name)) for name in REPLICAS)
            ),
            "all replicas are new",
            timeout_s=2 * READY_S,
        )
        times["rolled_s"] = time.monotonic() - began_at

    seen = asyncio.run(load(served.url, ask, clients=8, seconds=5, meanwhile=roll))

    banks = Counter(_models(answer) for answer in seen.answers)
    degraded = Counter(answer["degraded"] for answer in seen.answers)
    latencies = {f"p{100 * level:g}": seen.quantile_s(level) for level in (0.5, 0.99, 1)}
    figures.info(
        "%s %s %s %s %s", dict(seen.statuses), times, list(banks.values()), degraded, latencies
    )
    assert seen.share(200) == 1
    assert set(banks) == {old.model_ids, new.model_ids}
    after = served.http.post("/v1/route", json={"prompts": prompts}).json()["decisions"]
    assert {_models(decision) for decision in after} == {new.model_ids}
    assert {decision["source"] for decision in after} == {"anchors"}


def _models(decision):
    """The models that a decision was made among: all of its bank."""
    return tuple(candidate["model"] for candidate in decision["candidates"])
