"""``scope demo --strategy``: learned routers on the samples that come with the package."""

import json
import re

import pytest

from pipelines.commands.demo_comparison import verdict
from scope import EMBEDDED_SAMPLES
from scope.evaluation import Interval
from scope.learned import LearnedRouter
from scope.prices import load_prices
from scope.routing import load_predictions
from scope.samples import read_samples, split_of


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("strategy", "arms"),
    [
        ("bestroute", ("smollm2-135m", "smollm2-135m@2", "smollm2-135m@3", "smollm2-135m@5")),
        ("hybridllm", ("smollm2-135m",)),
    ],
)
def test_the_demo_of_a_learned_strategy_does_the_whole_job(scope, tmp_path, strategy, arms):
    """
    Labels, router, predictions of the test questions, decisions: every file is there; the
    cheapest arm saves more than the rule, and the rule something.
    """
    output = tmp_path / "demo"

    code, out, err = scope("demo", "--strategy", strategy, "--output", output)

    assert code == 0, err
    router = LearnedRouter.load(output / "router")
    assert router.strategy == strategy
    assert router.arms == (*arms, "gemma-3-270m")
    samples = read_samples(EMBEDDED_SAMPLES / "samples_t1.parquet")
    n_test = sum(split_of(prompt) == "test" for prompt in samples.prompts)
    assert len(load_predictions(output).predictions.question_ids) == n_test
    routing = json.loads((output / "routing.json").read_text())
    assert sum(routing["result"]["model_distribution"].values()) == n_test
    assert routing["settings"]["min_quality"] == router.threshold
    assert (output / "labels.parquet").is_file()
    saved = {
        name: float(re.search(rf"{re.escape(name)}.*?\s\$\S+\s+(-?\d+\.\d)", out)[1])
        for name in ("always gemma-3-270m (reference", "always smollm2-135m (cheapest)", "P ≥ τ")
    }
    assert saved["always gemma-3-270m (reference"] == 0
    assert 0 < saved["P ≥ τ"] < saved["always smollm2-135m (cheapest)"]
    for name in ("random mix", "hull of static arms", "P − λ·cost", "oracle"):
        assert f"same cost: {name}" in out
    assert "scope train router --samples" in out


def test_an_unknown_strategy_is_one_sentence(scope, tmp_path):
    code, _, err = scope("demo", "--strategy", "coin", "--output", tmp_path / "demo")

    assert code == 2
    assert "--strategy is 'coin'; expected one of prehoc, bestroute, hybridllm" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        ((0.1, 0.05, 0.2), "X beats the hull of static arms: it loses 10.0 points less (5.0 to"),
        ((0.1, -0.05, 0.2), "X does not beat the hull of static arms: it loses 10.0 points less"),
        ((-0.1, -0.2, 0.1), "X does not beat the hull of static arms: it loses 10.0 points more"),
        (
            (-0.1, -0.2, -0.05),
            "X is worse than the hull of static arms: it loses 10.0 points more (5.0 to 20.0)",
        ),
        ((float("nan"),) * 3, "X cannot be compared with the hull of static arms"),
    ],
)
def test_the_sentence_follows_from_the_numbers(gain, sentence):
    """
    Whether a router beats random mixtures of the arms is not written down beforehand.
    """
    assert verdict("X", Interval(*gain)).startswith(sentence)


def test_the_embedded_samples_are_whole():
    """
    20 samples of two models on 2,400 questions; the length of an answer is its `shortest` score.
    """
    samples = read_samples(EMBEDDED_SAMPLES / "samples_t1.parquet")

    assert (len(samples.ids), samples.models, samples.n_samples) == (
        2400,
        ("smollm2-135m", "gemma-3-270m"),
        20,
    )
    assert set(load_prices(EMBEDDED_SAMPLES / "prices.json")) == set(samples.models)
    assert (samples.scores["shortest"] == -samples.completion_tokens_qmo).all()
    assert sum(file.stat().st_size for file in EMBEDDED_SAMPLES.iterdir()) < 1_300_000
