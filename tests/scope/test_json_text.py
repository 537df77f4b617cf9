"""Hostile JSON is one sentence: the same for whole files and for lines."""

import math

import pytest

from scope.errors import FormatError
from scope.json_text import MAX_DEPTH, parse_json, parse_json_line, parse_reply

HOSTILE = [
    pytest.param('{"a": 1,}', "is not JSON: ", id="trailing comma"),
    pytest.param("{'a': 1}", "is not JSON: ", id="single quotes"),
    pytest.param("[" * 100_000, "nested deeper than 100 levels", id="deeper than the parser"),
    pytest.param("[" * 500 + "]" * 500, "nested deeper than 100 levels", id="deeper than a dump"),
    pytest.param('{"a":' * 101 + "1" + "}" * 101, "deeper than 100 levels", id="objects"),
    pytest.param('{"a": NaN}', "NaN is not JSON; expected a finite number", id="NaN"),
    pytest.param('{"a": -Infinity}', "-Infinity is not JSON", id="infinity"),
    pytest.param('{"a": 1e400}', "too large for a float", id="overflow"),
    pytest.param('{"a": 1' + "0" * 5_000 + "}", "4300 digits", id="a number of 5,001 digits"),
    pytest.param('{"a": 1, "a": 2}', "the key 'a' occurs twice in one object", id="key twice"),
]


@pytest.mark.parametrize(("text", "message"), HOSTILE)
@pytest.mark.parametrize("parse", [parse_json, parse_json_line])
def test_hostile_json_is_one_sentence(parse, text, message):
    """
    With the place that the caller names, and never a traceback of Python's parser.
    """
    with pytest.raises(FormatError, match=message) as caught:
        parse(text, "f.json: line 3")

    assert str(caught.value).startswith("f.json: line 3")
    assert len(str(caught.value)) < 200


def test_the_deepest_nesting_that_is_allowed_is_read():
    """
    100 levels, also in a text with more brackets than that.
    """
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert parse_json(f"[{', '.join(['[]'] * 200)}]", "f") == [[]] * 200
    assert parse_json(deep, "f")
    with pytest.raises(FormatError):
        parse_json(f"[{deep}]", "f")


def test_an_exponent_in_a_text_is_no_number():
    """
    Only numbers can overflow.
    """
    assert parse_json('{"a": "1e400", "b": 1e300}', "f") == {"a": "1e400", "b": 1e300}


def test_nan_is_read_where_it_stands_for_unknown():
    """
    As the published files of samples write it.
    """
    assert math.isnan(parse_json_line("[NaN]", "f", allow_nan=True)[0])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "-1E+999"])
def test_a_number_of_a_reply_that_is_not_finite_is_unknown(number):
    """
    Written as it came, it would be no JSON for our clients.
    """
    reply = f'{{"a": {number}, "b": "1e400", "c": 1.5, "c": 1e3}}'

    assert parse_reply(reply.encode()) == {"a": None, "b": "1e400", "c": 1000.0}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param("[" * 100_000, "deeper than 100 levels", id="deeper than the parser"),
        pytest.param("[" * 101 + "]" * 101, "deeper than 100 levels", id="deeper than allowed"),
        pytest.param("1" * 5_000, "4300 digits", id="digits"),
        pytest.param(b"\xff\xfe\x00", "decode", id="no text"),
        pytest.param("", "Expecting value", id="nothing"),
    ],
)
def test_a_reply_that_is_of_no_use_is_refused(reply, message):
    """
    Always with a `ValueError`.
    """
    with pytest.raises(ValueError, match=message):
        parse_reply(reply)


def test_a_repeated_key_of_a_catalogue_may_be_allowed():
    """
    The last value counts, as for every other reader.
    """
    assert parse_json('{"a": 1, "a": 2}', "f", unique_keys=False) == {"a": 2}
