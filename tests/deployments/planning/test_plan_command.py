"""``scope plan`` as a user runs it, on service times that a person can calculate with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scope.bank import save_bank
from scope.predictor import predict_reference_population
from tests.deployments.planning.factories import batch_times, service_times
from tests.factories.second_encoders import fitted_with_both

CONFIG = Path(__file__).parents[3] / "serve_config.yaml"


@pytest.fixture
def plan(scope, tmp_path):
    """Run ``scope plan`` for 100 requests/s within 300 ms; returns (exit code, stdout, stderr)."""
    path = tmp_path / "service_times.json"
    path.write_text(service_times().model_dump_json())

    def run(*arguments, rate=100, p95_ms=300):
        load = ("--requests-per-s", rate, "--p95-ms", p95_ms)
        return scope("plan", "--service-times", path, *load, *arguments)

    return run


@pytest.fixture
def two_encoders(tmp_path):
    """A configuration of a bank with two encoders, and service times of it, on a GPU."""
    bank = fitted_with_both()
    bank = replace(bank, reference=predict_reference_population(bank, bank.anchor_config))
    save_bank(bank, tmp_path / "two", created_at="2026-01-01T00:00:00+00:00", sources=())
    settings = yaml.safe_load(CONFIG.read_text())
    (application,) = settings["applications"]
    application["args"] = {"bank": str(tmp_path / "two")}
    block = {
        "name": "SecondEmbedder",
        "max_ongoing_requests": 64,
        "max_queued_requests": 256,
        "autoscaling_config": {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 16},
        "ray_actor_options": {"num_cpus": 1, "num_gpus": 1},
    }
    application["deployments"].append(block)
    config, times = tmp_path / "two.yaml", tmp_path / "two.json"
    config.write_text(yaml.safe_dump(settings))
    second = batch_times(0.01, 0.005, device="cuda")
    times.write_text(service_times(second=second).model_dump_json())
    return config, times


def test_a_plan_is_printed_for_a_person(plan):
    """
    With replicas, latency and cores.
    """
    code, out, _ = plan("--cache-hit-rate", 0.2)

    assert code == 0
    assert out.startswith("100 requests/s of 64 tokens, 20 % cached, p95 within 300 ms\n")
    assert "\nRouter " in out
    assert "expected: p50 " in out
    assert "USD a month: – (no price)" in out


def test_a_plan_as_json_has_null_for_unknown_prices(plan):
    """
    Never 0.
    """
    _, out, _ = plan("--json")
    found = json.loads(out)

    assert found["usd_per_month"] is None
    assert found["usd_per_million_decisions"] is None
    assert found["offline"] is None
    assert found["deployments"]["Router"]["replicas"] == 2
    assert found["expected"]["p95_s"] <= 0.3


def test_prices_make_a_month(plan, tmp_path):
    """
    730 hours of all CPUs at 4 cents; 100 decisions a second are 262.8 million.
    """
    path = tmp_path / "prices.yaml"
    path.write_text("usd_per_cpu_hour: 0.04\n")

    _, out, _ = plan("--prices", path, "--json")
    found = json.loads(out)

    assert found["usd_per_month"] == pytest.approx(730 * 0.04 * found["cpus"])
    assert found["usd_per_million_decisions"] == pytest.approx(found["usd_per_month"] / 262.8)


def test_offline_scoring_is_counted_in_gpu_hours(plan, tmp_path):
    """
    1,000 questions × 10 models × 3,600 tokens at 1,000 a second are 10 hours, at $2 each.
    """
    path = tmp_path / "prices.yaml"
    path.write_text("usd_per_gpu_hour: 2\n")
    tokens = ("--query-tokens", 3590, "--answer-tokens", 10, "--engine-tokens-per-s", 1000)

    code, out, _ = plan("--questions", 1000, "--models", 10, *tokens, "--prices", path)

    assert code == 0
    assert (
        "offline: 1,000 questions × 10 models = 10,000 queries, 36 M tokens: "
        "10.0 GPU hours, USD 20.00" in out
    )


def test_offline_scoring_needs_a_rate_of_tokens(plan):
    """
    It is neither measured nor given here.
    """
    code, _, err = plan("--questions", 1000, "--models", 10)

    assert code == 2
    assert "offline scoring needs --engine-tokens-per-s" in err


def test_the_planned_values_are_written_into_a_configuration(plan, scope, tmp_path):
    """
    Comments stay but those behind changed values, a minimum of replicas is not lowered, and the
    result passes ``scope check``.
    """
    path = tmp_path / "planned.yaml"

    code, out, err = plan("--config", CONFIG, "--write", path, "--json", rate=10)
    planned = json.loads(out)["deployments"]["Embedder"]
    blocks = yaml.safe_load(path.read_text())["applications"][0]["deployments"]
    (block,) = (block for block in blocks if block["name"] == "Embedder")

    assert (code, err.strip()) == (0, f"written to {path}")
    assert planned["replicas"] == 1
    assert block["autoscaling_config"]["min_replicas"] == 2
    target = block["autoscaling_config"]["target_ongoing_requests"]
    assert target == planned["target_ongoing_requests"]
    assert block["max_ongoing_requests"] == planned["max_ongoing_requests"]
    assert block["user_config"]["max_batch_size"] == planned["max_batch_size"]
    router = blocks[0]["autoscaling_config"]
    assert router["target_ongoing_requests"] == 128  # without --answer-s
    assert "host: 127.0.0.1 # any other address" in path.read_text()
    assert "# one batch" not in path.read_text()  # the Embedder's target is another
    assert scope("check", path)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--cache-hit-rate", 1.5), "the cache hit rate is 1.5; expected a share, 0 to 1"),
        (("--prompt-tokens", 0), "prompt tokens is 0; expected a number above 0"),
        (("--cores", -1), "cores is -1; expected a number above 0"),
        (("--answer-s", -2), "the answer takes -2 s; expected 0 or more"),
        (("--cores", 1), "need more than 1 core, which carries"),
        (("--prices", "absent.json"), "absent.json cannot be read"),
        (("--config", "absent.yaml"), "absent.yaml cannot be read"),
    ],
)
def test_a_load_that_cannot_be_ends_in_one_sentence(plan, arguments, sentence):
    """
    With exit code 2.
    """
    code, out, err = plan(*arguments)

    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_a_target_that_no_replica_meets_ends_in_one_sentence(plan):
    """
    A request that meets no other takes 44 ms.
    """
    code, _, err = plan(p95_ms=20)

    assert code == 2
    assert "a p95 of 20 ms cannot be met" in err


def test_an_absurd_load_ends_at_once(plan):
    """
    A plan adds replicas one by one; it went on for ever.
    """
    code, _, err = plan(rate=1e300)

    assert code == 2
    assert "requests per second is 1e+300; expected at most 100,000" in err


def test_a_second_encoder_is_planned_where_it_was_measured(scope, two_encoders, tmp_path):
    """
    With its GPUs, into its block; the result passes ``scope check``.
    """
    config, times = two_encoders
    path = tmp_path / "planned.yaml"

    code, out, err = scope(
        *("plan", "--service-times", times, "--requests-per-s", 100, "--p95-ms", 300),
        *("--config", config, "--write", path, "--json"),
    )

    assert code == 0, err
    found = json.loads(out)
    second = found["deployments"]["SecondEmbedder"]
    assert second["replicas"] >= 1
    assert found["gpus"] == second["replicas"]
    blocks = yaml.safe_load(path.read_text())["applications"][0]["deployments"]
    (block,) = (block for block in blocks if block["name"] == "SecondEmbedder")
    assert block["autoscaling_config"]["min_replicas"] == second["replicas"]
    assert block["max_ongoing_requests"] == second["max_ongoing_requests"]
    assert scope("check", path)[0] == 0


def test_times_of_other_encoders_are_refused(scope, plan, two_encoders):
    """
    Of a bank with two encoders for one with one, and the other way round.
    """
    config, times = two_encoders
    load = ("--requests-per-s", 10, "--p95-ms", 300)

    code, _, err = plan("--config", config)
    assert (code, err.count("\n")) == (2, 1)
    assert "has no times of the SecondEmbedder" in err
    code, _, err = scope("plan", "--service-times", times, *load)
    assert code == 2
    assert "has times of a SecondEmbedder" in err


@pytest.mark.parametrize("applications", [3, [3], [{"name": "other", "import_path": "their:app"}]])
def test_a_configuration_without_our_application_is_refused(plan, tmp_path, applications):
    """
    Whatever stands in its place.
    """
    path = tmp_path / "theirs.yaml"
    path.write_text(yaml.safe_dump({"applications": applications}))

    code, _, err = plan("--config", path)

    assert code == 2
    assert "no application has import_path" in err


def test_a_wrong_configuration_is_not_planned_into(plan, tmp_path):
    """
    It is checked before its blocks are read, and nothing is written.
    """
    path, written = tmp_path / "wrong.yaml", tmp_path / "planned.yaml"
    config = yaml.safe_load(CONFIG.read_text())
    config["applications"][0]["deployments"][1]["autoscaling_config"] = 4
    path.write_text(yaml.safe_dump(config))

    code, _, err = plan("--config", path, "--write", written)

    assert code == 2
    assert "autoscaling_config" in err
    assert not written.exists()
