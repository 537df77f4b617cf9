import pytest

from scope.features import FEATURES, text_features


@pytest.mark.parametrize(
    ("text", "feature", "count"),
    [
        ("two words", "n_words", 2),
        ("two words", "n_chars", 9),
        ("in 1914 and 1918", "n_digits", 8),
        ("a + b = c?", "n_symbols", 3),
        ("a\nb\nc", "n_lines", 2),
        ("Größe", "n_non_ascii", 2),
        (r"\frac{1}{2} of $x$", "n_latex", 3),
        ("Which?\nA. yes\nB. no", "n_options", 2),
    ],
)
def test_each_feature_counts_what_its_name_says(text, feature, count):
    """
    Small enough to count by eye.
    """
    assert text_features([text])[0, FEATURES.index(feature)] == count


def test_no_texts_give_no_rows():
    """
    An empty batch keeps its columns.
    """
    assert text_features([]).shape == (0, len(FEATURES))
