import json

import numpy as np
import pytest

from scope.errors import ConfigError, FormatError, UnknownModelError
from scope.predictions import COLUMNS
from scope.routing.decision_log import DecisionHistory
from scope.routing.log_records import Candidate
from scope.routing.route import Objective
from tests.factories.banks import LARGE, SMALL, bank_of
from tests.factories.decision_logs import candidate, named_by_client, request, two_models, write_log


@pytest.fixture
def read(tmp_path):
    """Write requests as one log file and read it."""
    return lambda *requests: DecisionHistory.read(write_log(tmp_path / "log.jsonl", requests))


def test_estimates_stand_where_their_model_does(read):
    """
    Models in the order in which they appear; one that was no candidate is unknown.
    """
    past = read(
        request("a", "small", [candidate("small", 0.5, 1.0)]),
        request("b", "large", [candidate("large", 0.8, 2.0), candidate("small", None, 3.0)]),
    )

    estimates = past.predictions.estimates
    assert past.predictions.question_ids == ("a", "b")
    assert past.predictions.models == past.logged.models == ("small", "large")
    np.testing.assert_array_equal(estimates.p_correct_qm, [[0.5, np.nan], [np.nan, 0.8]])
    np.testing.assert_array_equal(estimates.cost_usd.high_qm, [[1.0, np.nan], [3.0, 2.0]])
    np.testing.assert_array_equal(past.offers.eligible_qm, [[True, False], [True, True]])


def test_the_decisions_are_those_that_were_made(read):
    """
    What was asked for, without the lambda that came of it, and what was chosen.
    """
    past = read(two_models("a"), two_models("b", "large"))

    assert past.logged.target == Objective(alpha=0.0)
    assert past.logged.model_of == {"a": "small", "b": "large"}


def test_every_estimate_is_read():
    """
    A log and a folder of predictions know the same columns.
    """
    assert tuple(Candidate.model_fields) == ("model", *COLUMNS)


def test_what_no_policy_decided_is_counted_and_left_out(read):
    """
    The client named a model, nobody knew of one, or a default stood in.
    """
    past = read(
        two_models("a"),
        named_by_client("b", "small"),
        request("c", None, []),
        request("d", "default", [candidate("small", None, None)]),
    )

    assert list(past.logged.model_of) == ["a"]
    assert past.n_left_out == 3


def test_the_bill_adds_up_what_is_known(read):
    """
    Two of three requests told their cost, and the one that was not decided is none of them.
    """
    past = read(
        two_models("a", real_cost_usd=0.25),
        two_models("b", real_cost_usd=0.5),
        two_models("c", real_cost_usd=None),
        named_by_client("d", "small"),
    )

    assert (past.bill_usd, past.n_billed) == (0.75, 2)


def test_no_bill_is_not_a_bill_of_nothing(read):
    """
    Unknown is null.
    """
    assert read(two_models("a", real_cost_usd=None)).to_json()["bill_usd"] is None


def test_a_folder_is_all_its_files(tmp_path):
    """
    Of all replicas, and under the names that log shippers give them; others are left alone.
    """
    for name, one in (("x.1.jsonl", "a"), ("x.2.jsonl", "b"), ("y.jsonl.1", "c")):
        write_log(tmp_path / name, [two_models(one)])
    (tmp_path / "README.md").write_text("not a log")
    (tmp_path / ".x.jsonl.swp").write_text("an editor's")

    assert DecisionHistory.read(tmp_path).predictions.question_ids == ("a", "b", "c")


def test_half_a_line_at_the_end_of_a_file_is_skipped(tmp_path):
    """
    A killed replica may leave one; the files after it are read.
    """
    write_log(tmp_path / "1.jsonl", [two_models("a")])
    with (tmp_path / "1.jsonl").open("a") as file:
        file.write(json.dumps(two_models("b"))[:-5])
    write_log(tmp_path / "2.jsonl", [two_models("c")])
    past = DecisionHistory.read(tmp_path)

    assert past.predictions.question_ids == ("a", "c")
    assert past.n_truncated == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("{oops}", "Invalid JSON", id="no JSON"),
        pytest.param("[]", "Input should be an object", id="no object"),
        pytest.param("{}", "id: Field required", id="no fields"),
        pytest.param(two_models("b") | {"id": ""}, "id: String should have", id="no id"),
        pytest.param(
            request("b", "small", [candidate("small", "1")]),
            "candidates.0.p_correct: Input should be a valid number",
            id="text for a number",
        ),
        pytest.param(
            request("b", "small", [candidate("small", float("nan"))]),
            "candidates.0.p_correct: Input should be a finite number",
            id="NaN",
        ),
        pytest.param(
            two_models("b", settings={"alhpa": 0.5}), "settings name alhpa", id="no policy's"
        ),
        pytest.param(two_models("b", settings={}), "exactly one of alpha", id="no target"),
    ],
)
def test_a_line_that_is_no_request_is_named(tmp_path, line, message):
    """
    File, line, and the first thing that is wrong with it.
    """
    path = write_log(tmp_path / "log.jsonl", [two_models("a")])
    with path.open("a") as file:
        file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        file.write(json.dumps(two_models("c")) + "\n")
    with pytest.raises(FormatError) as refused:
        DecisionHistory.read(path)

    assert f"{path}: line 2 is no logged decision: {message}" in str(refused.value)


def test_an_id_that_stands_twice_is_refused(tmp_path):
    """
    A file that was copied beside itself would count every request twice; undecided ones, too.
    """
    first = write_log(tmp_path / "1.jsonl", [two_models("b"), named_by_client("a", "small")])
    again = write_log(tmp_path / "2.jsonl", [two_models("c"), two_models("a")])
    with pytest.raises(FormatError) as refused:
        DecisionHistory.read(tmp_path)

    assert str(refused.value) == (
        f"{again}: line 2 decides 'a' again, which {first}: line 2 did; leave out the copy"
    )


def test_a_log_with_nothing_to_decide_is_refused(read, tmp_path):
    """
    And so is a folder without a log, and no folder at all.
    """
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FormatError, match="in 1 requests no policy chose"):
        read(named_by_client("a", "small"))
    with pytest.raises(FormatError, match="holds no decision log"):
        DecisionHistory.read(empty)
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        DecisionHistory.read(tmp_path / "nowhere")


def test_requests_that_asked_for_different_things_share_no_target(read):
    """
    Each of them is counted once, however many asked for it.
    """
    asked = [{"alpha": 0.5, "trade_off": n} for n in (1.0, 2.0)] + [{"min_quality": 0.5}]
    past = read(*(two_models(f"{n}", settings=one) for n, one in enumerate(asked)))

    with pytest.raises(ConfigError, match="asked for 2 different things"):
        _ = past.logged.target


def test_a_model_the_bank_lacks_is_named(read):
    """
    It would have neither a price nor a place in the dial.
    """
    past = read(request("a", "stranger", [candidate("stranger")]))

    with pytest.raises(UnknownModelError, match="'stranger'; the bank has small, large"):
        past.predicted(bank_of([[1, 0]], models=(SMALL, LARGE)))
