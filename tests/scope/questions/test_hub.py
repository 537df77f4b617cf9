"""Data sets read with `datasets` from a local folder in the published schema; no network."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.errors import QuestionError
from scope.questions.questions import read_questions
from scope.questions.readers import HubDataset

MODELS = ("small", "large")


def published(question, model):
    """A row of the published data sets: one question and one model."""
    return {
        "id": question,
        "prompt": f"What is {question}?",
        "gt": "A",
        "category": "words",
        "source": "made up",
        "model_name": model,
        "is_correct": model == "large",
        "usage_prompt_tokens": 5,
        "usage_completion_tokens": 50,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Splits in the layout of the hub: three anchors and two test questions."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "data").mkdir()
    for split, questions in {"anchor": "abc", "test": "de"}.items():
        rows = [published(question, model) for question in questions for model in MODELS]
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


def test_a_split_is_read_once_per_question(folder):
    """
    A row is a (question, model); two rows of one question give one question.
    """
    questions = read_questions(HubDataset(str(folder), "anchor"))

    assert questions.ids == ("a", "b", "c")
    assert questions.prompts[0] == "What is a?"
    assert questions.gold_answers == ("A", "A", "A")
    assert questions.categories == ("words", "words", "words")


def test_the_only_split_need_not_be_named(tmp_path):
    """
    A data set with one split is unambiguous.
    """
    pq.write_table(pa.Table.from_pylist([published("a", "small")]), tmp_path / "train.parquet")

    assert read_questions(HubDataset(str(tmp_path))).ids == ("a",)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        pytest.param(None, "no split was named; it has anchor, test", id="none of two"),
        pytest.param("train", "no split 'train'; it has anchor, test", id="unknown"),
    ],
)
def test_a_missing_split_is_rejected(folder, split, message):
    """
    The message lists the existing splits.
    """
    with pytest.raises(QuestionError, match=message):
        read_questions(HubDataset(str(folder), split))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("owner/missing", "data set owner/missing cannot be read", id="unreachable"),
        pytest.param("/no/folder", "data set /no/folder cannot be read", id="no folder"),
        pytest.param(__file__, "is a file; expected id, ood, owner/name or a folder", id="file"),
    ],
)
def test_an_invalid_data_set_is_rejected(name, message):
    """
    The message has one line: unreachable, mistyped, or a file.
    """
    with pytest.raises(QuestionError, match=message) as caught:
        read_questions(HubDataset(name))

    assert "\n" not in str(caught.value)


def test_an_invalid_row_is_reported_with_its_location(tmp_path):
    """
    The message has data set, split and row.
    """
    rows = [published("a", "small"), {**published("a", "large"), "prompt": "Another?"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")

    with pytest.raises(
        QuestionError, match="split test: row 2 repeats id 'a' of row 1 with another prompt"
    ):
        read_questions(HubDataset(str(tmp_path), "test"))
