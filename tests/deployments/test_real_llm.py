"""The whole chain with a real LLM: decide, draw two samples of it, choose one, answer."""

from dataclasses import replace

import httpx
import numpy as np
import pytest

from pipelines.train.job import TrainSettings
from pipelines.train.pairs import read_pairs
from pipelines.train.reward import RewardTraining, train_reward
from pipelines.train.router import RouterTraining, train_router
from pipelines.train.router_data import LabelChoice, PricedSamples, router_data
from scope import EMBEDDED_SAMPLES
from scope.bank.store import save_bank
from scope.config import AnchorConfig
from scope.embedding import MINILM
from scope.embedding.encoder import Encoder
from scope.embedding.text_features import text_features
from scope.pool import Resampling
from scope.predictor.reference_population import predict_reference_population
from scope.prices import load_prices
from scope.samples import make_pairs, read_samples, take, write_pairs
from tests.deployments.serving import CONFIG
from tests.factories.banks import bank_of
from tests.factories.smollm2 import NAME, STARTED_S, needs_smollm2, serving_llm, smollm2_checkpoint

pytestmark = [pytest.mark.vllm, needs_smollm2]

SMALL, LARGE = "smollm2-135m", "gemma-3-270m"
TWO, LOW = f"{SMALL}@2", f"{SMALL}#low"
N_QUESTIONS = 60
FITTED = Resampling(concentration=5.4, odds=1.5, selector="majority", source="fitted")
"""As measured on the easy questions."""
BLOCK = {
    "max_ongoing_requests": 8,
    "autoscaling_config": {"min_replicas": 1, "max_replicas": 1},
    "ray_actor_options": {"num_cpus": 0.1},
}
CAPITAL = "What is the capital of France?"


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    """Base URL of a vLLM that serves SmolLM2."""
    root = tmp_path_factory.mktemp("smollm2")
    with serving_llm(smollm2_checkpoint(root / "checkpoint"), root / "vllm.log") as base_url:
        yield base_url


@pytest.fixture(scope="module")
def samples():
    """Graded samples of two small LLMs on some of the easy questions."""
    return take(read_samples(EMBEDDED_SAMPLES / "samples_t1.parquet"), rows=range(N_QUESTIONS))


@pytest.fixture(scope="module")
def bank(samples, tmp_path_factory):
    """A bank of these questions that knows what several samples of the small LLM are worth."""
    prices = load_prices(EMBEDDED_SAMPLES / "prices.json")
    small = prices[SMALL].model_copy(update={"resampling": FITTED})
    models = (small, small.model_copy(update={"id": LOW}), prices[LARGE])
    grades_qmo = np.nan_to_num(samples.scores["correct"])
    correct_am = np.column_stack([grades_qmo[:, 0, 0], grades_qmo[:, 0, 1], grades_qmo[:, 1, 0]])
    encoder = Encoder()
    bank = replace(
        bank_of(correct_am, models=models, prompts=samples.prompts),
        embedding_ad=encoder.encode(samples.prompts),
        features_af=text_features(samples.prompts),
        embedder=encoder.spec,
    )
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    folder = tmp_path_factory.mktemp("easy") / "bank"
    save_bank(bank, folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


@pytest.fixture(scope="module")
def trained(cluster, samples, tmp_path_factory):
    """A reward model, and a router whose arm of two samples it chooses for."""
    root = tmp_path_factory.mktemp("trained")
    write_pairs(root / "pairs.jsonl", list(make_pairs(samples, "correct")))
    reward = train_reward(
        read_pairs(root / "pairs.jsonl"),
        RewardTraining(MINILM, max_tokens=48, folds=2, settings=TrainSettings(epochs=1)),
        root / "reward",
        samples=samples,
        scorer="reward",
    )
    prices = load_prices(EMBEDDED_SAMPLES / "prices.json")
    choice = LabelChoice(reference=LARGE, arms=(SMALL, TWO), selector="reward")
    data = router_data(PricedSamples(reward.samples, prices, "easy questions"), choice)
    train_router(data, RouterTraining(MINILM, frozen=True), root / "router")
    return {
        "routers": {"bestroute": str(root / "router")},
        "selector": {"model": str(root / "reward")},
    }


@pytest.fixture(scope="module")
def settings(llm):
    """Settings of a Router on a machine that is busy with the LLM."""
    return {
        **CONFIG["applications"][0]["deployments"][0]["user_config"],
        "policy": {"alpha": 1.0},
        "pool": [SMALL, TWO, LOW, LARGE],
        "upstreams": {SMALL: {"base_url": llm, "model": NAME, "timeout_s": 120}},
        "limits": {"decision_ms": 30_000, "deadline_ms": 120_000},
        "sampling": {"selector_ms": 20_000},
    }


@pytest.fixture(scope="module")
def ask(served):
    """Ask the endpoint; returns the response, which has status 200."""

    def ask(wish, **body):
        messages = [{"role": "user", "content": CAPITAL}]
        body = {"model": "auto", "messages": messages, "max_tokens": 10, "scope": wish, **body}
        got = served.http.post("/v1/chat/completions", json=body, timeout=150)
        assert got.status_code == 200, got.text
        assert "x-scope-degraded" not in got.headers
        return got

    return ask


@pytest.fixture(scope="module")
def voting(served, bank, settings):
    """The application whose bank decides, and whose majority chooses."""
    served.deploy(args={"bank": str(bank)}, Router={"user_config": settings}, timeout_s=STARTED_S)


@pytest.fixture(scope="module")
def learned(served, bank, settings, trained):
    """The application with both trained networks."""
    args = {"bank": str(bank), **trained}
    served.deploy(
        args=args,
        timeout_s=STARTED_S,
        Router={"user_config": settings},
        Selector=BLOCK,
        LearnedRouter=BLOCK,
    )


def text(got):
    """The text of an answer."""
    return got.json()["choices"][0]["message"]["content"]


def test_the_bank_decides_for_two_samples_of_a_real_llm(voting, ask, served):
    """
    Two are more likely to be right than one; they agree, and both are in the usage and the bill.
    """
    wish = {"allowed_models": [SMALL, TWO]}
    decision = served.http.post("/v1/route", json={"prompt": CAPITAL, "scope": wish}).json()
    one = ask({}, model=SMALL, temperature=0.01)
    two = ask(wish, temperature=0.01)

    assert decision["model"] == two.headers["x-scope-model"] == two.json()["model"] == TWO
    assert "Paris" in text(one)
    assert text(two) == text(one)
    used = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [two.json()["usage"][k] for k in used] == [2 * one.json()["usage"][k] for k in used]
    scope = two.json()["scope"]
    assert (scope["n"], scope["n_failed"], scope["n_cancelled"]) == (2, 0, 0)
    assert scope["selector"] == "majority"
    # The price file bills the prompt of several samples once: one answer more, at $.02 a million.
    answer_usd = one.json()["usage"]["completion_tokens"] * 0.02e-6
    assert scope["cost_usd"] == pytest.approx(one.json()["scope"]["cost_usd"] + answer_usd)


def test_effort_reaches_a_real_llm(voting, ask, llm):
    """
    vLLM reads it: another word is refused.
    """
    got = ask({}, model=LOW, temperature=0.01)
    body = {"model": NAME, "messages": [{"role": "user", "content": CAPITAL}], "max_tokens": 1}
    refused = httpx.post(
        f"{llm}/chat/completions", json=body | {"reasoning_effort": "least"}, timeout=60
    )

    assert (got.json()["model"], got.headers["x-scope-model"]) == (LOW, LOW)
    assert "Paris" in text(got)
    assert (refused.status_code, "reasoning_effort" in refused.text) == (400, True)


def test_a_router_decides_and_a_reward_model_chooses(learned, ask, served):
    """
    Both trained on samples of this LLM: BEST-Route's rule picks the arm, the higher score wins.
    """
    wish = {"strategy": "bestroute", "min_quality": 0.01, "allowed_models": [TWO]}
    decision = served.http.post("/v1/route", json={"prompt": CAPITAL, "scope": wish}).json()
    # As many tokens of both samples, so that neither is late.
    got = ask(wish, temperature=1.0, seed=1, ignore_eos=True)

    assert (decision["model"], decision["strategy"]) == (TWO, "bestroute")
    assert got.headers["x-scope-strategy"] == "bestroute"
    assert got.headers["x-scope-model"] == got.json()["model"] == TWO
    assert got.json()["usage"]["completion_tokens"] == 2 * 10
    scope = got.json()["scope"]
    assert (scope["n"], scope["n_cancelled"], scope["selector"]) == (2, 0, "reward")
    assert len(set(scope["scores"])) == 2
    assert scope["chosen"] == int(np.argmax(scope["scores"]))
