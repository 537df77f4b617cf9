import json
import math

import pytest

from scope.errors import FormatError
from scope.reference.formats import (
    read_anchor_performance,
    read_selection,
    read_similarity,
    selection_entry,
    similarity_entry,
)
from scope.storage.files import stream_json_array
from tests.factories.banks import predictions_of

READERS = {
    "selection": read_selection,
    "similarity": read_similarity,
    "anchor-performance": read_anchor_performance,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "line 1 is not JSON", id="broken"),
        pytest.param("3", "is not an?", id="a number"),
        pytest.param('{"questions": [{}], "x": 3}', "is not an?", id="fields missing"),
        pytest.param("[1]", "is not an?", id="a list of numbers"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path, kind, text, message):
    """
    File, and what it was read as.
    """
    path = tmp_path / "file.json"
    path.write_text(text)

    with pytest.raises(FormatError, match=rf"file\.json.*{message}"):
        READERS[kind](path)


@pytest.mark.parametrize(
    ("kind", "text"), [("selection", '{"questions": []}'), ("similarity", "[]")]
)
def test_an_empty_file_is_refused(tmp_path, kind, text):
    """
    Nothing to route is a mistake.
    """
    path = tmp_path / "file.json"
    path.write_text(text)

    with pytest.raises(FormatError, match="is empty"):
        READERS[kind](path)


def test_what_we_write_the_published_reader_can_read(tmp_path):
    """
    Selection and similarity files go out and come back.
    """
    predictions = predictions_of([[0.8, 0.3]], [[0.001, 0.01]])
    truth = [(1.0, 120.0, 0.002), (0.0, 90.0, 0.02)]
    selection, similarity = tmp_path / "selection.json", tmp_path / "similarity.json"

    with stream_json_array(selection, '{"questions": [', "]}") as add:
        add(selection_entry(predictions, 0, truth))
    with stream_json_array(similarity, "[", "]") as add:
        add(similarity_entry("q000", ["a", "b"], [0.9, 0.5]))

    (question,) = read_selection(selection).questions
    assert question.id == "q000"
    assert [(p.model, p.correctness, p.cost) for p in question.predictions] == [
        ("m0", "yes", 0.001),
        ("m1", "no", 0.01),
    ]
    assert [(p.true_correct, p.true_cost) for p in question.predictions] == [
        (True, 0.002),
        (False, 0.02),
    ]
    assert read_similarity(similarity) == {"q000": [("a", 0.9), ("b", 0.5)]}


def test_unknown_is_null_never_zero():
    """
    The published code writes 0 USD and "no" there, and the unknown becomes the favourite.
    """
    entry = selection_entry(predictions_of([[math.nan]], [[math.nan]]), 0, None)

    predicted = entry["all_models"][0]["predicted"]
    assert (predicted["correctness"], predicted["cost"], predicted["p_correct"]) == (
        "unknown",
        None,
        None,
    )
    assert "ground_truth" not in entry["all_models"][0]


def test_a_list_of_nothing_is_still_json(tmp_path):
    """
    No comma too many.
    """
    path = tmp_path / "list.json"
    with stream_json_array(path, "[", "]"):
        pass

    assert json.loads(path.read_text()) == []


def test_an_unknown_predicted_cost_is_not_read_as_free(tmp_path):
    """
    The published policy has no way to leave a model out: it needs every cost.
    """
    path = tmp_path / "selection.json"
    with stream_json_array(path, '{"questions": [', "]}") as add:
        add(selection_entry(predictions_of([[math.nan]], [[math.nan]]), 0, None))

    with pytest.raises(FormatError, match="m0 has no predicted cost"):
        read_selection(path)
