"""``scope rollout`` of a real Serve under load: a good bank, bad ones, and a kill."""

import asyncio
import json
import signal
import time
from dataclasses import replace

import pytest
import yaml

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS
from scope.bank import load_bank, save_bank
from tests.deployments.operate.served_config import serving_config
from tests.deployments.serving import figures, load

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIENTS = 4


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving_config(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def banks(tmp_path_factory):
    """The embedded bank without its first model, without its last, and with a missing encoder."""
    folder, whole = tmp_path_factory.mktemp("banks"), load_bank(EMBEDDED_BANK)
    missing = whole.embedder.model_copy(update={"name": "no/such-encoder"})
    variants = {
        "good": whole.select_models(whole.model_ids[1:]),
        "other": whole.select_models(whole.model_ids[:-1]),
        "broken": replace(whole, embedder=missing),
    }
    for name, bank in variants.items():
        save_bank(bank, folder / name, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


def rolled_under_load(served, *arguments):
    """Run ``scope rollout`` while clients ask; returns it and what they saw."""
    done = []

    async def ask(client, n):
        return await client.post("/v1/route", json={"prompt": f"Question {n} about whales?"})

    def roll():
        done.append(served.run("rollout", "--config", served.config, *arguments))

    began_at = time.monotonic()
    seen = asyncio.run(load(served.url, ask, clients=CLIENTS, seconds=1, meanwhile=roll))
    took_s = time.monotonic() - began_at
    figures.info("%s %.0f s\n%s%s", dict(seen.statuses), took_s, done[0].stdout, done[0].stderr)
    return done[0], seen


def test_a_good_bank_rolls_out_under_load_without_a_failure(served, banks):
    """
    It is compared, shifted to and watched; then the file names it, its comment kept.
    """
    bank = banks / "good"

    done, seen = rolled_under_load(served, bank, "--questions", EMBEDDED_QUESTIONS, "--watch-s", 15)

    assert done.returncode == 0, done.stderr
    assert seen.share(200) == 1
    assert served.ready()["bank"] == load_bank(bank).version
    text = served.config.read_text()
    assert text.startswith("# a comment of the operator\n")
    assert yaml.safe_load(text)["applications"][0]["args"]["bank"] == str(bank)
    (journal,) = (served.config.parent / "rollouts").glob("*.json")
    assert json.loads(journal.read_text())["phase"] == "done"


@pytest.mark.parametrize(
    ("name", "flags", "why"),
    [
        pytest.param(
            "other",
            ("--watch-s", 200, "--max-p95-ratio", 0),
            "times the",
            id="it breaks a limit",
        ),
        pytest.param(
            "broken", ("--watch-s", 0, "--start-s", 90), "", id="its replicas do not start"
        ),
    ],
)
def test_a_bad_bank_is_rolled_back_under_load(served, banks, name, flags, why):
    """
    The bank of before answers again, the file still names it, and no request failed.
    """
    before, text = served.ready()["bank"], served.config.read_text()

    done, seen = rolled_under_load(served, banks / name, "--no-comparison", *flags)

    assert done.returncode == 1, done.stderr
    assert "rolled back" in done.stderr
    assert why in done.stderr
    assert seen.share(200) == 1
    assert served.ready() == {**served.ready(), "status": "ready", "bank": before}
    assert served.config.read_text() == text


def test_a_killed_rollout_is_undone(served, banks):
    """
    SIGKILL while it watches: the journal says how to go back, and a second rollout is refused.
    """
    before, bank = served.ready()["bank"], banks / "other"
    flags = ("--config", served.config, "--no-comparison")
    journal = served.config.parent / "rollouts" / "current.json"
    with served.start("rollout", bank, *flags) as process:
        ends_at = time.monotonic() + 200
        while not (journal.exists() and '"phase": "watching"' in journal.read_text()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < ends_at
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)

    refused = served.run("rollout", bank, *flags)
    undone = served.run("rollout", "--back", "--config", served.config)

    assert refused.returncode == 2
    assert "was killed while watching" in " ".join(refused.stderr.split())
    assert undone.returncode == 0, undone.stderr
    assert served.ready()["bank"] == before
    assert not journal.exists()
