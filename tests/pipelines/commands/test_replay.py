"""``scope replay`` as a user meets it: predictions once made, decided again."""

import json

import pytest


@pytest.fixture
def routed(scope, predicted, tmp_path):
    """Three questions routed to the cheapest model, which is never right."""
    path = tmp_path / "routing.json"
    code, _, _ = scope("route", "--predictions", predicted, "--alpha", 0, "--output", path)
    assert code == 0
    return path


def replayed(scope, routed, predicted, *flags):
    """Sides by name, and the whole answer."""
    _, out, _ = scope("replay", "--routing", routed, "--predictions", predicted, "--json", *flags)
    answer = json.loads(out)
    return {side["name"]: side for side in answer["sides"]}, answer


def test_another_policy_is_compared_with_what_was_decided(scope, predicted, routed):
    """From cheapest to most accurate: p .5 to .767 and $3 to $6, and the truth beside it."""
    sides, answer = replayed(scope, routed, predicted, "--alpha", 1)
    before, after = sides["logged"], sides["replayed"]
    assert before["planned"]["accuracy"] == pytest.approx(0.5)
    assert before["planned"]["cost_usd"] == pytest.approx(3.0)
    assert after["planned"]["accuracy"] == pytest.approx(2.3 / 3)
    assert after["planned"]["cost_usd"] == pytest.approx(6.0)
    assert (before["realised"]["accuracy"], after["realised"]["accuracy"]) == (0, 1)
    assert (answer["n_changed"], answer["n_questions"]) == (3, 3)


def test_nothing_asked_changes_nothing(scope, predicted, routed):
    """Without a flag the old decisions come out again."""
    sides, answer = replayed(scope, routed, predicted)
    assert answer["n_changed"] == 0
    assert sides["logged"]["planned"] == sides["replayed"]["planned"]


def test_new_prices_are_told_apart_from_new_decisions(scope, predicted, routed, tmp_path):
    """With an expensive small model the logged decisions cost more; replayed ones avoid it."""
    prices = tmp_path / "prices.json"
    prices.write_text(
        json.dumps({"small": {"input": 9.0, "output": 9.0}, "large": {"input": 1, "output": 1}})
    )
    sides, answer = replayed(scope, routed, predicted, "--prices", prices)
    # 100 completion tokens at $9 a million, prompts as predicted.
    logged, decided = sides["logged, new prices"], sides["replayed"]
    assert logged["planned"]["cost_usd"] == pytest.approx(3 * (100 + 100) * 9e-6)
    assert decided["planned"]["cost_usd"] == pytest.approx(3 * (100 + 100) * 1e-6)
    assert answer["n_changed"] == 3


def test_a_denied_model_is_replaced(scope, predicted, routed, tmp_path):
    """Denying the model that was chosen moves every question, and the new file says so."""
    output = tmp_path / "replayed.json"
    _, answer = replayed(scope, routed, predicted, "--deny", "small", "--output", output)
    assert answer["n_changed"] == 3
    assert json.loads(output.read_text())["result"]["model_distribution"] == {"large": 3}


def test_the_table_names_the_difference(scope, predicted, routed):
    """A person reads points and dollars."""
    _, out, _ = scope("replay", "--routing", routed, "--predictions", predicted, "--alpha", 1)
    assert "expected accuracy +26.7 points, cost +$3; 3 of 3 decisions change" in out


def test_a_file_of_another_kind_is_refused(scope, predicted, tmp_path):
    """Any other JSON gets one sentence and exit code 2."""
    path = tmp_path / "other.json"
    path.write_text("[]")
    code, _, err = scope("replay", "--routing", path, "--predictions", predicted)
    assert code == 2
    assert "is not a routing file of `scope route`" in err


def test_decisions_about_other_questions_are_refused(scope, predicted, routed):
    """Decisions are only compared with the predictions they were made from."""
    log = json.loads(routed.read_text())
    log["result"]["routing_decisions"].pop()
    routed.write_text(json.dumps(log))
    code, _, err = scope("replay", "--routing", routed, "--predictions", predicted)
    assert code == 2
    assert "the routing has 2 questions, the predictions have 3" in err


def test_several_samples_may_join_the_pool(scope, sampled, tmp_path):
    """They were no column of the predictions; what was decided keeps its outcomes."""
    logged = tmp_path / "routing.json"
    scope("route", "--predictions", sampled, "--alpha", 0, "--output", logged)
    (tmp_path / "pool.txt").write_text("small\nsmall@3\n")
    flags = ["--pool", tmp_path / "pool.txt", "--min-quality", 0.6]

    sides, answer = replayed(scope, logged, sampled, *flags)

    assert answer["n_changed"] == 3
    assert sides["replayed"]["planned"]["accuracy"] == pytest.approx(0.614, abs=5e-4)
    assert sides["logged"]["realised"]["accuracy"] == 0
    assert sides["replayed"]["realised"] is None
