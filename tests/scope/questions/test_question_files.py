"""Forms of question files: compressed, chats, batches, and what is wrong in them."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.errors import ConfigError, QuestionError
from scope.questions.prompts import MAX_PROMPT_CHARS, LongPrompts, LongPromptWarning
from scope.questions.questions import read_questions

ROWS = [{"id": "a", "prompt": "2 + 2?", "gt": "4"}, {"id": "b", "prompt": "é?", "gt": "5"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TEXTS = {
    "q.json": json.dumps(ROWS),
    "q.jsonl": LINES,
    "q.ndjson": LINES,
    "q.csv": "id,prompt,gt\na,2 + 2?,4\nb,é?,5\n",
}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Delete all?"},
    {"role": "assistant", "content": "Sure?"},
    {"role": "user", "content": [{"type": "text", "text": "yes"}]},
]
CHAT_TEXT = "yes\n\nSure?\n\nDelete all?"


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_every_form_of_text_holds_the_same_questions(tmp_path, name, packed, mark):
    """
    By the suffix, compressed or not, and with the mark that some editors write first.
    """
    data = mark + TEXTS[name].encode()
    path = write(
        tmp_path, f"{name}.gz" if packed else name, gzip.compress(data) if packed else data
    )

    questions = read_questions(path)

    assert questions.ids == ("a", "b")
    assert questions.prompts == ("2 + 2?", "é?")
    assert questions.gold_answers == ("4", "5")


def test_a_folder_may_mix_forms(tmp_path):
    """
    Each file by its own suffix.
    """
    write(tmp_path, "1.ndjson", lines({"id": "a", "prompt": "x"}))
    write(tmp_path, "2.CSV.gz", gzip.compress(b"id,prompt\nb,y\n"))

    assert read_questions(tmp_path).ids == ("a", "b")


def test_a_chat_is_the_text_on_which_the_endpoint_would_decide(tmp_path):
    """
    The latest user message, then what came before it; an own prompt goes first.
    """
    path = write(
        tmp_path,
        "q.jsonl",
        lines(
            {"id": 1, "messages": CHAT, "gt": "A"},
            {"id": 2, "messages": CHAT, "prompt": "<info-msg>my own</info-msg>"},
            {"id": 3, "messages": [*CHAT, {"role": "assistant", "content": "Done."}]},
        ),
    )

    questions = read_questions(path)

    assert questions.prompts == (CHAT_TEXT, "<info-msg>my own</info-msg>", CHAT_TEXT)
    assert questions.gold_answers == ("A", None, None)


def test_chats_in_parquet_are_read_alike(tmp_path):
    """
    As data sets on the hub store them.
    """
    path = tmp_path / "q.parquet"
    messages = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": None}]
    pq.write_table(pa.Table.from_pylist([{"id": "a", "messages": messages}]), path)

    assert read_questions(path).prompts == ("Hi?",)


def test_a_batch_file_of_openai_is_a_question_file(tmp_path):
    """
    The id is ``custom_id``; the model that the body names is not read.
    """
    row = {
        "custom_id": "request-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o", "messages": CHAT, "max_tokens": 9},
    }

    questions = read_questions(write(tmp_path, "batch.jsonl", lines(row)))

    assert (questions.ids, questions.prompts) == (("request-1",), (CHAT_TEXT,))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"id": 1, "messages": "Hi"}, "messages is 'Hi'; expected a list", id="text"),
        pytest.param({"id": 1, "messages": [3]}, r"messages\[0\] is 3; expected", id="no obj"),
        pytest.param({"id": 1, "messages": [{"content": "x"}]}, "object with role", id="no role"),
        pytest.param({"id": 1, "messages": []}, "no user message with text", id="empty"),
        pytest.param(
            {"id": 1, "messages": [{"role": "user", "content": "<info-msg>9:00</info-msg>"}]},
            "no user message with text",
            id="only an envelope",
        ),
        pytest.param(
            {"id": 1, "messages": CHAT[:1]}, "no user message with text", id="only the system"
        ),
        pytest.param(
            {"id": 1, "messages": [{"role": "user", "content": 3}]},
            r"messages\[0\]\.content is 3; expected text, a list of parts",
            id="content is a number",
        ),
        pytest.param(
            {"id": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
            r"messages\[0\]\.content has a part of type 'text' without text",
            id="part without text",
        ),
        pytest.param(
            {"custom_id": "a", "body": {"input": "x"}},
            "body has no 'messages', it is input; expected a chat",
            id="batch of embeddings",
        ),
        pytest.param({"custom_id": "a", "body": [1]}, "body has no 'messages'", id="body a list"),
        pytest.param(
            {"id": 1, "text": "x"}, "has none of prompt, question, messages", id="neither"
        ),
        pytest.param({"id": 1, "prompt": ["x"]}, "prompt is a list", id="prompt is a list"),
        pytest.param({"id": 1, "prompt": "x", "gt": ["A"]}, "gt is a list", id="gold is a list"),
        pytest.param(
            {"id": 1, "prompt": "x", "category": {"a": 1}}, "category is a dict", id="category"
        ),
        pytest.param({"id": 1, "prompt": "x", "grader": [1]}, "grader is a list", id="grader"),
        pytest.param({"id": {}, "prompt": "x"}, "id is {}; expected text", id="id is an object"),
        pytest.param({"id": 1.5, "prompt": "x"}, "id is 1.5; expected text", id="id a fraction"),
        pytest.param({"id": "\ud800", "prompt": "x"}, r"id has '\\ud800'", id="lone surrogate"),
        pytest.param(
            {"id": 1, "messages": [{"role": "user", "content": "\udc00"}]},
            r"messages has '\\udc00'",
            id="lone surrogate in a chat",
        ),
    ],
)
def test_a_row_that_is_no_question_is_one_sentence(tmp_path, row, message):
    """
    With file, line, field and what is allowed.
    """
    path = write(tmp_path, "q.jsonl", lines({"id": "ok", "prompt": "x"}, row))

    with pytest.raises(QuestionError, match=message) as caught:
        read_questions(path)

    assert str(caught.value).startswith(f"{path}: line 2")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        pytest.param("q.jsonl", "\n" + "[" * 10**5, "line 2: lists and objects", id="deep line"),
        pytest.param("q.json", "[" * 10**5, "nested deeper", id="deep file"),
        pytest.param("q.jsonl", '{"id": 1, "prompt": "x", "gt": NaN}', "line 1: NaN", id="NaN"),
        pytest.param("q.jsonl", '{"id": 1, "id": 2}', "line 1: the key 'id'", id="key twice"),
        pytest.param(
            "q.jsonl", b'{"id": 1}\n\xff', "line 2 has byte 0xff at position 1", id="bytes"
        ),
        pytest.param("q.csv", b"id,prompt\na,\xe9\n", "line 2 has byte 0xe9", id="latin-1 CSV"),
        pytest.param(
            "q.csv", "id,prompt,id\na,b,c\n", "line 1 names the field 'id' tw", id="field"
        ),
        pytest.param("q.jsonl.gz", "{}", "cannot be read: Not a gzipped file", id="not gzip"),
        pytest.param(
            "q.jsonl.gz", gzip.compress(LINES.encode())[:-9], "damaged gzip", id="cut gzip"
        ),
        pytest.param(
            "q.jsonl.gz", gzip.compress(b"ab")[:10] + b"\xff\xff", "damaged gzip", id="bad gzip"
        ),
        pytest.param("q.parquet.gz", b"", "is not a question file", id="compressed Parquet"),
        pytest.param("q.tar.gz", b"", "is not a question file; expected .json", id="tar"),
        pytest.param("q.gz", b"", "is not a question file", id="only gz"),
    ],
)
def test_a_hostile_file_is_one_sentence(tmp_path, name, data, message):
    """
    It names the file, and the line where there is one.
    """
    path = write(tmp_path, name, data)

    with pytest.raises(QuestionError, match=message) as caught:
        read_questions(path)

    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_column_of_parquet_that_occurs_twice_is_one_sentence(tmp_path):
    """
    One of them would be taken by chance.
    """
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table([["a"], ["b"], ["x"]], names=["id", "id", "prompt"]), path)

    with pytest.raises(QuestionError, match="has the column 'id' twice"):
        read_questions(path)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        pytest.param(pa.array([b"x"]), "prompt is a bytes", id="bytes"),
        pytest.param(pa.array([1.5]), "prompt is a float", id="numbers"),
        pytest.param(pa.array([["x"]]), "prompt is a list", id="lists"),
        pytest.param(pa.array([{"a": 1}]), "prompt is a dict", id="objects"),
        pytest.param(pa.nulls(1), "has none of prompt", id="nulls"),
    ],
)
def test_a_column_of_another_type_is_one_sentence(tmp_path, column, message):
    """
    With the row.
    """
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table({"id": ["a"], "prompt": column}), path)

    with pytest.raises(QuestionError, match=rf"q\.parquet: row 1 .*{message}"):
        read_questions(path)


LONG = [{"id": "long", "prompt": "x" * 70_000}, {"id": "short", "prompt": "y"}]


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv"])
@pytest.mark.parametrize(
    ("action", "ids", "length"),
    [("cut", ("long", "short"), MAX_PROMPT_CHARS), ("skip", ("short",), 1)],
)
def test_a_long_prompt_is_cut_or_left_out_and_said(tmp_path, name, action, ids, length):
    """
    The beginning stays, which is what an encoder reads; a CSV field may be as long as a line.
    """
    prompt = "x" * 200_000
    rows = {"q.jsonl": lines({**LONG[0], "prompt": prompt}, LONG[1])}
    rows["q.csv"] = f"id,prompt\nlong,{prompt}\nshort,y\n"
    path = write(tmp_path, name, rows[name])

    with pytest.warns(
        LongPromptWarning, match=r": 1 prompt of more than 65,536 characters"
    ) as said:
        questions = read_questions(path, on_too_long=action)

    assert len(said) == 1
    assert questions.ids == ids
    assert len(questions.prompts[0]) == length


def test_a_long_prompt_is_refused_unless_asked_otherwise(tmp_path):
    """
    The message says how to go on.
    """
    path = write(tmp_path, "q.jsonl", lines(*LONG))

    with pytest.raises(QuestionError, match=r"line 1 .* 70,000 .*--on-too-long cut or skip"):
        read_questions(path)


def test_prompts_within_the_limit_are_not_mentioned(tmp_path, recwarn):
    """
    A prompt of exactly the limit is kept whole.
    """
    path = write(tmp_path, "q.jsonl", lines({"id": 1, "prompt": "x" * MAX_PROMPT_CHARS}))

    assert len(read_questions(path, on_too_long="cut").prompts[0]) == MAX_PROMPT_CHARS
    assert not recwarn


def test_another_action_is_refused():
    """
    As every flag.
    """
    with pytest.raises(ConfigError, match="--on-too-long is 'drop'; expected refuse, cut or skip"):
        LongPrompts("drop")
