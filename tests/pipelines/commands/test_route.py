"""``scope route`` with the policies on predictions."""

import json

import pytest

from scope import EMBEDDED_BANK

RESULT_KEYS = [
    "alpha",
    "total_questions",
    "accuracy",
    "total_cost",
    "average_cost",
    "prediction_accuracy",
    "model_distribution",
    "routing_decisions",
]


def test_a_budget_is_routed_and_reported(scope, predicted, tmp_path):
    """
    $4 buys one step up; planned and realised stand beside each other.
    """
    code, out, _ = scope(
        "route", "--predictions", predicted, "--budget", 4, "--output", tmp_path / "r.json"
    )

    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 0
    assert result["planned"]["cost_usd"] == 4.0
    assert result["result"]["model_distribution"] == {"small": 2, "large": 1}
    assert "planned:" in out
    assert "realised: accuracy 33.3 %" in out


def test_a_budget_nobody_can_meet_exits_1(scope, predicted, tmp_path):
    """
    Routed at the cheapest all the same; one line says by how much it overshoots.
    """
    code, _, err = scope(
        "route", "--predictions", predicted, "--budget", 2.5, "--output", tmp_path / "r.json"
    )

    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 1
    assert "budget $2.5 cannot be met: the cheapest models cost $3, $0.5 too much" in err
    assert result["overshoot_usd"] == 0.5
    assert result["result"]["model_distribution"] == {"small": 3}


def test_a_plan_says_what_the_anchors_show_on_top_of_the_forecasts(scope, compared, tmp_path):
    """
    3 USD of forecasts at alpha 0, where real bills were twice the plan.
    """
    flags = ["--alpha", 0, "--output", tmp_path / "r.json"]

    _, out, _ = scope("route", "--predictions", compared, *flags)

    file = json.loads((tmp_path / "r.json").read_text())
    assert "cost $6\n" in out
    assert "The plan includes +100.0 % that the anchors show on top of the forecasts." in out
    assert (file["bill_ratio"], file["planned"]["cost_usd"]) == (2.0, 6.0)


def test_a_plan_without_a_ratio_says_nothing_of_it(scope, predicted, tmp_path):
    """
    As with predictions from a bank that was fitted before bills were compared.
    """
    flags = ["--alpha", 0, "--output", tmp_path / "r.json"]

    _, out, _ = scope("route", "--predictions", predicted, *flags)

    file = json.loads((tmp_path / "r.json").read_text())
    assert "The plan includes" not in out
    assert (file["bill_ratio"], file["planned"]["cost_usd"]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("flags", "models"),
    [
        pytest.param(["--alpha", 0], {"small": 3}, id="alpha 0: the cheapest"),
        pytest.param(["--alpha", 1], {"large": 3}, id="alpha 1: the highest p"),
        pytest.param(["--min-quality", 0.7], {"large": 3}, id="none but the large is good enough"),
        pytest.param(["--max-cost", 1.5], {"small": 3}, id="the large is too dear"),
        pytest.param(["--alpha", 1, "--deny", "large"], {"small": 3}, id="denied"),
        pytest.param(["--alpha", 0, "--allow", "large"], {"large": 3}, id="alone allowed"),
    ],
)
def test_every_rule_can_be_asked_for(scope, predicted, tmp_path, flags, models):
    """
    One flag each.
    """
    code, out, _ = scope(
        "route", "--predictions", predicted, *flags, "--output", tmp_path / "r.json", "--json"
    )

    routed = json.loads((tmp_path / "r.json").read_text())["result"]
    assert code == 0
    assert routed["model_distribution"] == models
    assert json.loads(out)["output"].endswith("r.json")


def test_a_pool_file_narrows_the_choice(scope, predicted, tmp_path):
    """
    Only its models are routed to.
    """
    pool = tmp_path / "pool.txt"
    pool.write_text("large  # nothing else\n")

    flags = ["--pool", pool, "--alpha", 0, "--output", tmp_path / "r.json"]
    code, _, _ = scope("route", "--predictions", predicted, *flags)

    assert code == 0
    assert json.loads((tmp_path / "r.json").read_text())["models"] == ["large"]


def test_a_budget_file_has_the_published_keys(scope, predicted, tmp_path):
    """
    A script for the published file reads ours: alpha, curve, result and outcomes.
    """
    output = tmp_path / "r.json"
    flags = ["--budget", 4, "--alpha-steps", 3, "--output", output]

    assert scope("route", "--predictions", predicted, *flags)[0] == 0

    file = json.loads(output.read_text())
    result = file["result"]
    assert (file["method"], file["dataset"], file["budget"]) == ("expected_value", None, 4.0)
    assert 0 < file["optimal_alpha"] < 1
    assert list(result) == RESULT_KEYS
    assert (result["alpha"], result["total_questions"]) == (file["optimal_alpha"], 3)
    # The large model is always right, the small one never, and each is predicted right.
    assert result["accuracy"] == pytest.approx(1 / 3)
    costs = [decision["cost"] for decision in result["routing_decisions"]]
    assert result["total_cost"] == pytest.approx(sum(costs))
    assert result["prediction_accuracy"] == 0.5
    for decision in result["routing_decisions"]:
        assert decision["ground_truth_correct"] == (decision["selected_model"] == "large")
    assert [point["alpha"] for point in file["pareto_curve"]] == [0, 0.5, 1]
    assert [point["accuracy"] for point in file["pareto_curve"]][::2] == [0, 1]
    assert set(file["pareto_curve"][0]) == {"alpha", "accuracy", "total_cost", "average_cost"}


def test_an_alpha_file_has_the_published_keys(scope, predicted, tmp_path):
    """
    Without a curve, as published.
    """
    output = tmp_path / "r.json"

    assert scope("route", "--predictions", predicted, "--alpha", 1, "--output", output)[0] == 0

    file = json.loads(output.read_text())
    assert file["alpha"] == file["result"]["alpha"] == 1
    assert list(file["result"]) == RESULT_KEYS
    assert not {"budget", "optimal_alpha", "pareto_curve"} & set(file)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param([], "exactly one of alpha, budget_usd", id="no target"),
        pytest.param(["--alpha", 1, "--budget", 2], "got alpha and budget_usd", id="two targets"),
        pytest.param(["--alpha", 1.5], "alpha is 1.5; expected a number within 0..1", id="alpha"),
        pytest.param(["--alpha", "nan"], "alpha is nan; expected", id="alpha is NaN"),
        pytest.param(["--budget", -1], "budget is -1.0 USD; expected at least 0", id="budget"),
        pytest.param(["--min-quality", 2], "min_quality is 2.0; expected a prob", id="quality"),
        pytest.param(["--max-cost", -1], "max_cost_usd is -1.0; expected", id="ceiling"),
        pytest.param(["--alpha", 1, "--pool", "default"], "unknown model 'tngtech", id="pool"),
        pytest.param(["--alpha", 1, "--pool", "nope"], "'nope' is neither one of", id="no pool"),
        pytest.param(["--alpha", 1, "--deny", "gpt-9"], "denied models gpt-9 are not", id="deny"),
        pytest.param(["--alpha", 1, "--policy", "best"], "policy is 'best'; expected", id="policy"),
        pytest.param(["--alpha", 1, "--alpha-steps", 3], "--alpha-steps needs", id="curve"),
        pytest.param(
            ["--alpha", 1, "--top-k", 6, "--stage1-weight", 0.3],
            "policy expected_value does not take --top-k and --stage1-weight",
            id="two_stage's",
        ),
        pytest.param(
            ["--alpha", 1, "--bank", EMBEDDED_BANK],
            "policy expected_value does not take --bank",
            id="two_stage's bank",
        ),
    ],
)
def test_a_wrong_target_gets_one_sentence(scope, predicted, tmp_path, flags, message):
    """
    Exit 2, the value, what is allowed, and nothing written.
    """
    output = tmp_path / "r.json"

    code, _, err = scope("route", "--predictions", predicted, "--output", output, *flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not output.exists()


def test_predictions_are_needed(scope, tmp_path):
    """
    The default policy routes what `scope predict` wrote.
    """
    code, _, err = scope("route", "--output", tmp_path / "r.json", "--alpha", 1)

    assert code == 2
    assert "--predictions is missing" in err
    assert not (tmp_path / "r.json").exists()


def test_several_samples_of_a_model_are_routed(scope, sampled, tmp_path):
    """
    Three samples lift p from .5 to .614 (kappa 2, AUC .75) and cost three times 100 + 100 tokens;
    that the prior is assumed stands on stderr and in the file.
    """
    flags = ["--allow", "small", "--allow", "small@3", "--min-quality", 0.6]
    output = tmp_path / "r.json"

    code, out, err = scope("route", "--predictions", sampled, *flags, "--output", output)

    result = json.loads(output.read_text())
    assert code == 0
    assert result["result"]["model_distribution"] == {"small@3": 3}
    assert result["planned"]["accuracy"] == pytest.approx(0.614, abs=5e-4)
    assert result["planned"]["cost_usd"] == pytest.approx(3 * 3 * (100 * 0.1 + 100 * 0.2) / 1e6)
    assert result["assumed"] == ["small@3"]
    assert "note: what several samples are worth is assumed, not fitted: small@3" in err
    assert "realised" not in out


def test_a_pool_file_may_name_several_samples(scope, sampled, tmp_path):
    """
    A budget buys them where one sample is not the best use of it.
    """
    (tmp_path / "pool.txt").write_text("small\nsmall@3\n")
    flags = ["--pool", tmp_path / "pool.txt", "--budget", 4, "--output", tmp_path / "r.json"]

    code, _, _ = scope("route", "--predictions", sampled, *flags)

    distribution = json.loads((tmp_path / "r.json").read_text())["result"]["model_distribution"]
    assert code == 0
    assert sum(distribution.values()) == 3


def test_samples_without_evidence_are_refused(scope, predicted, tmp_path):
    """
    The sentence says how to get some.
    """
    code, _, err = scope(
        *("route", "--predictions", predicted, "--allow", "small@3", "--alpha", 1),
        *("--output", tmp_path / "r.json"),
    )

    assert code == 2
    assert "arm 'small@3': the predictions cannot tell what 3 samples of small are worth" in err
    assert not (tmp_path / "r.json").exists()


def test_auto_says_that_the_bank_does_not_tell(scope, predicted, tmp_path):
    """
    Predictions of a bank without a finding: the means, .5 and .77, and one model for all.
    """
    flags = ("--policy", "auto", "--alpha", 1, "--output", tmp_path / "r.json")

    code, out, err = scope("route", "--predictions", predicted, *flags)

    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 0, err
    assert "does not tell whether routing pays" in " ".join(out.split())
    assert result["settings"] == {"alpha": 1.0, "auto": True, "trade_off": 0.0}
    assert result["result"]["model_distribution"] == {"large": 3}
