import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.errors import BankError
from scope.outcomes import Outcomes, read_outcomes_batches, read_outcomes_table

ROWS = [
    {"question_id": "a", "model": "x", "correct": True, "prompt_tokens": 5, "completion_tokens": 7},
    {"question_id": "b", "model": "y", "correct": None, "prompt_tokens": 6, "completion_tokens": 8},
]


def table(rows):
    schema = pa.schema(
        [
            ("question_id", pa.string()),
            ("model", pa.string()),
            ("correct", pa.bool_()),
            ("prompt_tokens", pa.int32()),
            ("completion_tokens", pa.int32()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def outcomes_of(rows, ids=("a", "b"), models=("x", "y")):
    return Outcomes.from_table(table(rows), ids, models, "o.parquet")


def test_missing_and_ungraded_outcomes_are_unknown():
    """
    Never run: all NaN. Run but not graded: tokens known, correctness not.
    """
    got = outcomes_of(ROWS)

    np.testing.assert_array_equal(got.correct_am, [[1, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(got.completion_tokens_am, [[7, np.nan], [np.nan, 8]])


def test_outcomes_survive_a_round_trip_through_a_table():
    """
    The table has one row for each outcome.
    """
    got = outcomes_of(ROWS)

    back = Outcomes.from_table(got.to_table(("a", "b")), ("a", "b"), ("x", "y"), "again")

    np.testing.assert_array_equal(back.correct_am, got.correct_am)
    np.testing.assert_array_equal(back.prompt_tokens_am, got.prompt_tokens_am)


def test_outcomes_of_other_questions_are_dropped():
    """
    A bank of one split can be built from the outcomes of all splits.
    """
    assert outcomes_of(ROWS, ids=("b",)).correct_am.shape == (1, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([ROWS[0], ROWS[0]], "has two outcomes of x on a", id="twice"),
        pytest.param(
            [{**ROWS[0], "model": "z"}], "models without a price: z", id="a model not priced"
        ),
        pytest.param(
            [{**ROWS[0], "completion_tokens": -1}], "completion_tokens must be at least 0", id="-1"
        ),
    ],
)
def test_invalid_rows_are_refused(rows, message):
    """
    The message names the file, the model and the question.
    """
    with pytest.raises(BankError, match=f"o.parquet.*{message}"):
        outcomes_of(rows)


def test_missing_columns_are_named(tmp_path):
    """
    Along with the columns of the file.
    """
    path = tmp_path / "o.parquet"
    pq.write_table(pa.table({"question_id": ["a"], "score": [1.0]}), path)

    with pytest.raises(BankError, match=r"lacks model, correct, .* columns are question_id, score"):
        read_outcomes_table(path)


def test_reindex_follows_the_pool():
    """
    The pool's order, the first questions; a model that never ran is unknown.
    """
    got = outcomes_of(ROWS).reindex(("y", "z", "x"), 1)

    assert got.models == ("y", "z", "x")
    np.testing.assert_array_equal(got.correct_am, [[np.nan, np.nan, 1]])
    np.testing.assert_array_equal(got.prompt_tokens_am, [[np.nan, np.nan, 5]])


def test_a_file_read_in_batches_gives_the_same_outcomes(tmp_path):
    """
    One row a batch, in single precision, with a column alias.
    """
    path = tmp_path / "o.parquet"
    pq.write_table(table(ROWS).rename_columns({"correct": "is_correct"}), path)

    batches = read_outcomes_batches(path, n_rows=1)
    got = Outcomes.from_batches(batches, pa.array(["a", "b"]), ("x", "y"), "o", np.float32)

    assert got.correct_am.dtype == np.float32
    np.testing.assert_array_equal(got.correct_am, outcomes_of(ROWS).correct_am)
    np.testing.assert_array_equal(got.prompt_tokens_am, outcomes_of(ROWS).prompt_tokens_am)


def test_a_pair_repeated_in_a_later_batch_is_refused():
    """
    Duplicates are found across batches.
    """
    batches = [table(ROWS), table(ROWS[:1])]

    with pytest.raises(BankError, match=r"o\.parquet has two outcomes of x on a"):
        Outcomes.from_batches(batches, pa.array(["a", "b"]), ("x", "y"), "o.parquet")
