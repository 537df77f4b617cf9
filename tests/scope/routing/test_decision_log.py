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


def test_estimates_are_in_the_column_of_their_model(read):
    """
    Models in order of appearance; NaN for one that was not a candidate.
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
    np.testing.assert_array_equal(past.eligible.eligible_qm, [[True, False], [True, True]])


def test_objective_and_decisions_are_read(read):
    """
    The objective without its trade-off, and the chosen models.
    """
    past = read(two_models("a"), two_models("b", "large"))

    assert past.logged.objective == Objective(alpha=0.0)
    assert past.logged.model_of == {"a": "small", "b": "large"}


def test_every_estimate_is_read():
    """
    A log has the same columns as a folder of predictions.
    """
    assert tuple(Candidate.model_fields) == ("model", *COLUMNS)


def test_requests_without_a_policy_are_counted_and_skipped(read):
    """
    The client named a model, there was no estimate, a default was used, or a learned router
    predicted match probabilities.
    """
    past = read(
        two_models("a"),
        named_by_client("b", "small"),
        request("c", None, []),
        request("d", "default", [candidate("small", None, None)]),
        two_models("e", strategy="bestroute"),
    )

    assert list(past.logged.model_of) == ["a"]
    assert past.n_skipped == 4


def test_the_real_cost_is_the_sum_of_the_known_costs(read):
    """
    Two of three requests have a cost; a request without a decision does not count.
    """
    past = read(
        two_models("a", real_cost_usd=0.25),
        two_models("b", real_cost_usd=0.5),
        two_models("c", real_cost_usd=None),
        named_by_client("d", "small"),
    )

    assert (past.real_cost_usd, past.n_with_cost) == (0.75, 2)


def test_an_unknown_real_cost_is_null(read):
    """
    It is not 0.
    """
    assert read(two_models("a", real_cost_usd=None)).to_json()["real_cost_usd"] is None


def test_all_log_files_of_a_folder_are_read(tmp_path):
    """
    Of all replicas, also renamed by log shippers; other files are ignored.
    """
    for name, one in (("x.1.jsonl", "a"), ("x.2.jsonl", "b"), ("y.jsonl.1", "c")):
        write_log(tmp_path / name, [two_models(one)])
    (tmp_path / "README.md").write_text("not a log")
    (tmp_path / ".x.jsonl.swp").write_text("an editor's")

    assert DecisionHistory.read(tmp_path).predictions.question_ids == ("a", "b", "c")


def test_a_truncated_line_at_the_end_of_a_file_is_skipped(tmp_path):
    """
    A killed replica may leave one; later files are read.
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
        pytest.param("{oops}", "Invalid JSON", id="not JSON"),
        pytest.param("[]", "Input should be an object", id="not an object"),
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
            two_models("b", settings={"alhpa": 0.5}), "settings name alhpa", id="unknown setting"
        ),
        pytest.param(two_models("b", settings={}), "exactly one of alpha", id="no objective"),
    ],
)
def test_an_invalid_line_is_named(tmp_path, line, message):
    """
    The message has file, line and first error.
    """
    path = write_log(tmp_path / "log.jsonl", [two_models("a")])
    with path.open("a") as file:
        file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        file.write(json.dumps(two_models("c")) + "\n")
    with pytest.raises(FormatError) as refused:
        DecisionHistory.read(path)

    assert f"{path}: line 2 is not a logged decision: {message}" in str(refused.value)


def test_a_repeated_id_is_refused(tmp_path):
    """
    A copied file would count every request twice, also those without a decision.
    """
    first = write_log(tmp_path / "1.jsonl", [two_models("b"), named_by_client("a", "small")])
    again = write_log(tmp_path / "2.jsonl", [two_models("c"), two_models("a")])
    with pytest.raises(FormatError) as refused:
        DecisionHistory.read(tmp_path)

    assert str(refused.value) == (
        f"{again}: line 2 repeats the id 'a' of {first}: line 2; remove the copy"
    )


def test_a_log_without_decisions_is_refused(read, tmp_path):
    """
    So are a folder without a log and a missing folder.
    """
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FormatError, match="in 1 requests no policy chose"):
        read(named_by_client("a", "small"))
    with pytest.raises(FormatError, match="holds no decision log"):
        DecisionHistory.read(empty)
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        DecisionHistory.read(tmp_path / "nowhere")


def test_different_objectives_have_no_common_one(read):
    """
    Each objective is counted once.
    """
    settings = [{"alpha": 0.5, "trade_off": n} for n in (1.0, 2.0)] + [{"min_quality": 0.5}]
    past = read(*(two_models(f"{n}", settings=one) for n, one in enumerate(settings)))

    with pytest.raises(ConfigError, match="have 2 different objectives"):
        _ = past.logged.objective


def test_a_model_the_bank_lacks_is_named(read):
    """
    It would have no price and no reference population.
    """
    past = read(request("a", "unknown", [candidate("unknown")]))

    with pytest.raises(UnknownModelError, match="'unknown'; the bank has small, large"):
        past.predicted(bank_of([[1, 0]], models=(SMALL, LARGE)))


def test_scores_beside_the_decisions_are_no_decisions(tmp_path):
    """
    The endpoint writes both into one folder.
    """
    write_log(tmp_path / "decisions-a.00000001.jsonl", [two_models("a")])
    (tmp_path / "feedback-a.00000001.jsonl").write_text('{"kind": "feedback", "id": "a"}\n')

    assert list(DecisionHistory.read(tmp_path).logged.model_of) == ["a"]
