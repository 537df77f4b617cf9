import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.errors import QuestionError
from scope.questions.prompts import MAX_PROMPT_CHARS
from scope.questions.questions import iter_questions, read_questions
from scope.sampling import hash_sample

ROWS = [
    {"id": "a", "prompt": "2 + 2?", "gt": "4", "category": "math"},
    {"id": "b", "question": "3 + 3?"},
]


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def jsonl(rows):
    return "\n".join(json.dumps(row) for row in rows)


def parquet(tmp_path, rows):
    path = tmp_path / "q.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_all_file_types_hold_the_same_questions(tmp_path):
    """
    JSON, JSONL and Parquet files with the same rows are read as equal.
    """
    as_json = read_questions(write(tmp_path, "q.json", ROWS))
    as_jsonl = read_questions(write(tmp_path, "q.jsonl", jsonl(ROWS) + "\n\n"))
    as_parquet = read_questions(
        parquet(
            tmp_path,
            [
                {"question_id": "a", "prompt": "2 + 2?", "gt": "4", "category": "math"},
                {"question_id": "b", "prompt": "3 + 3?", "gt": None, "category": None},
            ],
        )
    )

    assert as_json == as_jsonl == as_parquet
    assert as_json.ids == ("a", "b")
    assert as_json.prompts == ("2 + 2?", "3 + 3?")
    assert as_json.gold_answers == ("4", None)


def test_split_and_limit_select_rows(tmp_path):
    """
    The first rows of a split, in file order.
    """
    rows = [{"id": i, "prompt": "?", "split": "val" if i % 2 else "train"} for i in range(6)]

    questions = read_questions(write(tmp_path, "q.json", rows), split="val", limit=2)

    assert questions.ids == ("1", "3")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("q.json", "", "has no question", id="empty file"),
        pytest.param("q.jsonl", "\n\n", "has no question", id="only blank lines"),
        pytest.param("q.json", "[]", "has no question", id="empty list"),
        pytest.param("q.json", '[\n{"id": 1,,}]', "line 2 is not JSON", id="invalid JSON"),
        pytest.param("q.jsonl", '{"id": 1, "prompt": "x"}\n{"id"', "line 2 is not JSON", id="cut"),
        pytest.param("q.json", '{"id": 1}', "is a dict; expected a list", id="no list"),
        pytest.param("q.json", "[3]", "question 1 is a int; expected an object", id="no object"),
        pytest.param("q.json", '[{"id": "a"}]', r"1 \(a\) has none of prompt", id="no prompt"),
        pytest.param("q.json", '[{"prompt": "x"}]', "question 1 has no 'question_id'", id="no id"),
        pytest.param(
            "q.json", '[{"id": "a", "prompt": 7}]', r"\(a\): prompt is a int, 7", id="no text"
        ),
        pytest.param("q.json", '[{"id": "a", "prompt": " "}]', "prompt is empty", id="blank"),
        pytest.param("q.json", '[{"id": [1], "prompt": "x"}]', r"id is \[1\]", id="id is a list"),
        pytest.param(
            "q.jsonl",
            jsonl([{"id": 7, "prompt": "x"}, {"id": "7", "prompt": "y"}]),
            "line 2 repeats id '7' of line 1",
            id="same id",
        ),
        pytest.param(
            "q.json",
            [{"id": "a", "prompt": "x" * 102_400}],
            rf"prompt has 102,400 characters; at most {MAX_PROMPT_CHARS:,}",
            id="100 KB prompt",
        ),
        pytest.param("q.txt", "id,prompt", "not a question file; expected .json", id="text"),
        pytest.param(
            "q.csv", "id,prompt\na", "row 1 has not as many fields as the first", id="short row"
        ),
        pytest.param("q.csv", 'id,prompt\n"a', "is not CSV: unexpected end", id="not CSV"),
        pytest.param("q.parquet", "id,prompt", "is not Parquet", id="not Parquet"),
    ],
)
def test_invalid_input_is_reported_with_its_location(tmp_path, name, content, message):
    """
    The message has one line, with file, row and value.
    """
    path = write(tmp_path, name, content)

    with pytest.raises(QuestionError, match=message) as caught:
        read_questions(path)

    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_rejected(tmp_path):
    """
    The message has its path.
    """
    with pytest.raises(QuestionError, match=r"nowhere\.json cannot be read"):
        read_questions(tmp_path / "nowhere.json")


def test_bytes_that_are_not_utf8_are_rejected(tmp_path):
    """
    Other encodings are not guessed.
    """
    path = tmp_path / "q.json"
    path.write_bytes(b'[{"id": "a", "prompt": "\xff"}]')

    with pytest.raises(QuestionError, match=r"q\.json: line 1 has byte 0xff at position 25"):
        read_questions(path)


def test_a_sample_does_not_depend_on_order():
    """
    The same ids are drawn in any order of the file, and stay in that order.
    """
    ids = [f"q{i}" for i in range(100)]

    drawn = [ids[q] for q in hash_sample(ids, 10)]
    drawn_reversed = [ids[::-1][q] for q in hash_sample(ids[::-1], 10)]

    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=ids.index)
    assert set(drawn) == set(drawn_reversed)


def test_a_folder_is_read_in_the_order_of_its_file_names(tmp_path):
    """
    File types may be mixed; hidden files are ignored.
    """
    write(tmp_path, "b.json", [{"id": "3", "prompt": "?"}])
    write(tmp_path, "a.jsonl", jsonl([{"id": "1", "prompt": "?"}, {"id": "2", "prompt": "?"}]))
    pq.write_table(pa.Table.from_pylist([{"id": "4", "prompt": "?"}]), tmp_path / "c.parquet")
    write(tmp_path, ".a.jsonl.swp", "half")

    assert read_questions(tmp_path).ids == ("1", "2", "3", "4")
    assert read_questions(tmp_path, limit=3).ids == ("1", "2", "3")


def test_an_id_in_two_files_is_rejected(tmp_path):
    """
    The message names both files.
    """
    write(tmp_path, "a.json", [{"id": "0", "prompt": "?"}, {"id": "x", "prompt": "?"}])
    write(tmp_path, "b.jsonl", jsonl([{"id": "x", "prompt": "?"}]))

    with pytest.raises(
        QuestionError, match=r"b\.jsonl: line 1 repeats id 'x' of .*a\.json: question 2; ids must"
    ):
        read_questions(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param([], "is empty; expected files of .json", id="empty"),
        pytest.param([".hidden.json"], "is empty; expected files of .json", id="only hidden"),
        pytest.param(["a.txt"], r"a\.txt is not a question file", id="another kind"),
    ],
)
def test_a_folder_without_question_files_is_rejected(tmp_path, names, message):
    """
    A file of another type is an error and not skipped.
    """
    for name in names:
        write(tmp_path, name, "id,prompt")

    with pytest.raises(QuestionError, match=message):
        read_questions(tmp_path)


def test_rows_of_one_question_and_many_models_are_one_question(tmp_path):
    """
    In the published schema a row is a (question, model).
    """
    rows = [{"id": "a", "prompt": "?", "model_name": model} for model in ("x", "y", "z")]

    assert read_questions(write(tmp_path, "q.json", rows)).ids == ("a",)


@pytest.mark.parametrize("field", ["id", "prompt", "category", "gt"])
def test_a_lone_surrogate_is_rejected(tmp_path, field):
    """
    JSON can encode it and UTF-8 cannot, so no output file could contain it.
    """
    row = {"id": "a", "prompt": "?", "category": "c", "gt": "d", field: "ab\ud83d"}

    with pytest.raises(QuestionError, match=r"has '\\ud83d' at character 3") as caught:
        read_questions(write(tmp_path, "q.json", [row]))
    assert str(caught.value).isascii()


def test_parquet_is_read_a_few_rows_at_a_time(tmp_path):
    """
    The first questions of a large file are yielded before the rest is read.
    """
    rows = [{"id": str(n), "prompt": "?"} for n in range(5_000)] + [{"id": "last", "prompt": ""}]
    stream = iter_questions(parquet(tmp_path, rows))

    assert [next(stream).id for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(QuestionError, match=r"row 5001 \(last\): prompt is empty"):
        list(stream)


def test_a_csv_file_names_its_fields_in_the_first_line(tmp_path):
    """
    Quoted text may have commas and line breaks; an empty field is unknown.
    """
    path = write(tmp_path, "q.csv", 'id,prompt,gt\na,"Two, or\nmore?",2\nb,Which?,\n')

    questions = read_questions(path)

    assert questions.prompts == ("Two, or\nmore?", "Which?")
    assert questions.gold_answers == ("2", None)
