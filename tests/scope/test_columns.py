"""Columns of another type than expected are one sentence."""

import pyarrow as pa
import pytest

from scope.columns import NUMBER, OPTIONAL_TEXT, TEXT, checked_columns
from scope.errors import BankError


@pytest.mark.parametrize(
    ("kind", "column", "values"),
    [
        pytest.param(TEXT, pa.array(["x"]), ["x"], id="text"),
        pytest.param(TEXT, pa.array([7]), ["7"], id="whole number as text"),
        pytest.param(TEXT, pa.array(["x"]).dictionary_encode(), ["x"], id="dictionary"),
        pytest.param(TEXT, pa.array(["x"], pa.large_string()), ["x"], id="large text"),
        pytest.param(OPTIONAL_TEXT, pa.nulls(1), [None], id="nulls as text"),
        pytest.param(NUMBER, pa.array([True]), [1.0], id="true"),
        pytest.param(NUMBER, pa.array([7]), [7.0], id="whole number"),
        pytest.param(NUMBER, pa.array([2**62]), [float(2**62)], id="more digits than a float"),
        pytest.param(NUMBER, pa.array(["1"]).cast(pa.decimal128(9, 2)), [1.0], id="decimal"),
        pytest.param(NUMBER, pa.nulls(1), [None], id="nulls as numbers"),
    ],
)
def test_what_is_meant_is_read(kind, column, values):
    """
    As strings and floats.
    """
    got = checked_columns(pa.table({"a": column}), {"a": kind}, "f", BankError)

    assert got["a"].to_pylist() == values
    assert got["a"].type == (pa.float64() if kind == NUMBER else pa.string())


WRONG = [
    pa.array([[1]]),
    pa.array([{"a": 1}]),
    pa.array([b"x"]),
    pa.array([0], pa.timestamp("s")),
    pa.array([0], pa.date32()),
]


@pytest.mark.parametrize("kind", [TEXT, OPTIONAL_TEXT, NUMBER])
@pytest.mark.parametrize("column", WRONG, ids=lambda column: str(column.type))
def test_another_type_is_one_sentence(kind, column):
    """
    With file, column, its type and what is expected.
    """
    with pytest.raises(BankError) as caught:
        checked_columns(pa.table({"a": column}), {"a": kind}, "f", BankError)

    assert str(caught.value) == f"f: column 'a' is of type {column.type}; expected {kind}"


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        (NUMBER, pa.array(["1"]), "column 'a' is of type string; expected a number or null"),
        (TEXT, pa.array([0.5]), "column 'a' is of type double; expected text"),
        (TEXT, pa.array(["x", None]), "row 12: a is None; expected text"),
        (NUMBER, pa.array([1.0, -float("inf")]), "row 12: a is -inf; expected a number or null"),
    ],
)
def test_a_wrong_value_is_one_sentence(kind, column, message):
    """
    With the row in the file.
    """
    with pytest.raises(BankError, match=message):
        checked_columns(pa.table({"a": column}), {"a": kind}, "f", BankError, first_row=10)


def test_a_column_occurs_once():
    """
    Neither never nor twice.
    """
    twice = pa.table([["x"], ["y"]], names=["a", "a"])

    with pytest.raises(BankError, match="f has the column 'a' twice"):
        checked_columns(twice, {"a": TEXT}, "f", BankError)
    with pytest.raises(BankError, match="f lacks b; its columns are a, a"):
        checked_columns(twice, {"b": TEXT}, "f", BankError)
