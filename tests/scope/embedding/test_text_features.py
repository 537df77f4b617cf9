import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.embedding.text_features import FEATURES, text_features

CHOICE = "Which?\nA. -1\nB. None of the above\nC. -1"
"""A stem of 7 characters with the line's end; options of 2, 17 and 2 characters."""

COUNTS = [
    ("two words", "n_words", 2),
    ("two words", "n_chars", 9),
    ("nine-lettered incredible", "n_long_words", 1),
    ("a\nb\nc", "n_lines", 2),
    ("in 1914 and 1918", "n_digits", 8),
    ("3.14 and 7, not x2", "n_numbers", 3),
    ("a + b = c?", "n_symbols", 3),
    ("Größe", "n_non_ascii", 2),
    ("NASA and ESA", "n_capitals", 7),
    ("2^3 = 4 * 2 > 7", "n_operators", 4),
    (r"\frac{1}{2} of $x$", "n_latex", 3),
    ("5 kg at 3 M/s", "n_units", 3),
    ("5 % of $10 or 9 €", "n_money", 3),
    ("'a' and “b”", "n_quotes", 4),
    ("the ___ of __ and _", "n_blanks", 2),
    ("def f(x): return x", "n_code", 4),
    ("Who? Me?", "n_question_marks", 2),
    ("Which or what, somewhat", "n_question_words", 2),
    ("Find x. Calculate how many.", "n_commands", 3),
    ("Not this, except NEVER; notable", "n_negations", 3),
    ("I gave you his hat; this", "n_persons", 3),
    ("Statement 1, II and III", "n_statements", 3),
    ("Both, or none of the others", "n_catch_alls", 2),
    (CHOICE, "n_stem_chars", 7),
    (CHOICE, "n_options", 3),
    (CHOICE, "n_distinct_options", 2),
    (CHOICE, "n_numeric_options", 2),
    (CHOICE, "n_option_chars", 21),
    (CHOICE, "n_longest_option_chars", 17),
    (CHOICE, "n_shortest_option_chars", 2),
]


@pytest.mark.parametrize(
    ("text", "feature", "count"), COUNTS, ids=[feature for _, feature, _ in COUNTS]
)
def test_each_feature_counts_what_its_name_says(text, feature, count):
    """
    The texts are short enough to count by hand.
    """
    assert text_features([text])[0, FEATURES.index(feature)] == count


def test_every_feature_has_a_case():
    """
    There are 30 features, and a case above for each.
    """
    assert len(FEATURES) == len(set(FEATURES)) == 30
    assert {feature for _, feature, _ in COUNTS} == set(FEATURES)


@pytest.mark.parametrize(
    ("text", "n_options"),
    [
        pytest.param("A. yes\nB. no", 2, id="dots"),
        pytest.param("A) yes\nB) no", 2, id="brackets"),
        pytest.param("A: yes\nB: no", 2, id="colons"),
        pytest.param("plan A. is best", 0, id="within a line"),
        pytest.param("A.yes", 0, id="without a space"),
        pytest.param("K. yes", 0, id="beyond J"),
        pytest.param("a. yes", 0, id="small letters"),
        pytest.param("A. \nB. ", 2, id="empty options"),
    ],
)
def test_an_option_is_a_separate_line(text, n_options):
    """
    It starts with a letter from A to J, a mark and a space.
    """
    assert text_features([text])[0, FEATURES.index("n_options")] == n_options


def test_without_options_the_whole_text_is_the_stem():
    """
    Every option feature is 0.
    """
    counts = dict(zip(FEATURES, text_features(["What is 2 + 2?"])[0], strict=True))

    assert counts["n_stem_chars"] == counts["n_chars"] == 14
    assert not any(counts[name] for name in FEATURES if "option" in name)


@settings(max_examples=30)
@given(st.lists(st.text(max_size=100), max_size=4))
def test_counts_are_integers_and_independent_of_the_batch(texts):
    """
    For any text.
    """
    features_qf = text_features(texts)

    assert (features_qf >= 0).all()
    np.testing.assert_array_equal(features_qf, features_qf.round())
    for q, text in enumerate(texts):
        np.testing.assert_array_equal(features_qf[[q]], text_features([text]))


def test_no_texts_give_no_rows():
    """
    An empty batch keeps the columns.
    """
    assert text_features([]).shape == (0, len(FEATURES))
