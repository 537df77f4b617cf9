"""``scope bank drift`` over logs of an endpoint."""

import json
from dataclasses import replace

import pytest

from scope import Encoder, load_bank, save_bank
from tests.factories.banks import bank_of
from tests.factories.encoders import tiny_encoder
from tests.factories.scored_logs import write_scored_log


@pytest.fixture
def drift(scope, tmp_path):
    """Run the command on the log in ``tmp_path / "log"``."""
    return lambda *flags: scope("bank", "drift", "--decisions", tmp_path / "log", *flags)


def test_a_fallen_model_ends_with_1(drift, tmp_path):
    """
    For CI and cron; the last lines say which, since when, and what the alarm is worth.
    """
    write_scored_log(tmp_path / "log", drop=0.3)

    code, out, _ = drift()

    assert code == 1
    assert "small (in distribution) answers worse than predicted since 2026-11-1" in out
    assert "2026-W47" in out
    assert "streams have drifted; the chance of any false alarm, ever, is at most 1 %" in out


def test_a_log_as_predicted_ends_with_0(drift, tmp_path):
    """
    Nothing is written without `--output`.
    """
    write_scored_log(tmp_path / "log", drop=0.0)

    code, out, _ = drift()

    assert code == 0
    assert "none of 6 streams have drifted" in out


def test_json_is_what_output_holds(drift, tmp_path):
    """
    All weeks of all models and regions: eight of each of six streams.
    """
    write_scored_log(tmp_path / "log", drop=0.3)
    output = tmp_path / "drift.json"

    code, out, _ = drift("--json", "--output", output)

    facts = json.loads(out)
    assert code == 1
    assert json.loads(output.read_text()) == facts
    assert (facts["n_scores"], facts["bank"], len(facts["weeks"])) == (2000, "b" * 64, 48)
    assert facts["n_alarms"] == sum(stream["alarm"] is not None for stream in facts["streams"])
    assert sum(week["n"] for week in facts["weeks"] if week["region"] is None) == 2000


def test_no_scores_are_one_sentence(drift, tmp_path):
    """
    Exit code 2.
    """
    write_scored_log(tmp_path / "log", n=3)
    (tmp_path / "log" / "feedback-a.00000001.jsonl").unlink()

    code, _, err = drift()

    assert code == 2
    assert err.count("\n") == 1
    assert "holds no score of a predicted answer; clients send scores to POST /v1/feedback" in err


def test_a_bank_that_is_not_that_of_the_log_is_named(drift, tmp_path):
    """
    Its categories would be regions of other predictions.
    """
    write_scored_log(tmp_path / "log", n=3)
    save_bank(bank_of([[1, 1]]), tmp_path / "bank", created_at="2026-01-01", sources=())

    code, _, err = drift("--bank", tmp_path / "bank")

    assert code == 2
    assert "has no decision by bank" in err
    assert "it has bbbbbbbbbbbb" in err


@pytest.mark.ray
def test_categories_of_the_bank_are_regions(drift, tmp_path):
    """
    A text that is like an anchor belongs to the category of the nearest one; without texts the
    note says what is left.
    """
    texts = ["the capital of france", "two plus three"]
    encoder = Encoder(str(tiny_encoder(tmp_path / "encoder")))
    bank = replace(
        bank_of([[1, 1], [0, 1]], embedding=encoder.encode(texts)),
        categories=("geography", "arithmetic"),
        embedder=encoder.spec,
    )
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    version = load_bank(tmp_path / "bank").version

    write_scored_log(tmp_path / "log", n=40, bank=version, texts=texts)
    _, out, _ = drift("--bank", tmp_path / "bank", "--json")
    write_scored_log(tmp_path / "log", n=40, bank=version)
    _, _, note = drift("--bank", tmp_path / "bank", "--json")

    regions = {(stream["model"], stream["region"]) for stream in json.loads(out)["streams"]}
    names = {None, "geography", "arithmetic", "out of distribution"}
    assert {region for _, region in regions} == names
    assert "the log keeps no texts; regions are in and out of distribution" in note
