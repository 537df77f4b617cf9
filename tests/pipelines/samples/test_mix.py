import json

import pytest

from pipelines.samples import PromptSource, mix_prompts
from scope.errors import ConfigError, QuestionError
from scope.questions import HubDataset
from scope.questions.prompts import LongPromptWarning


@pytest.fixture
def folder(tmp_path):
    """Ten sums, of which the last repeats the first, and three tasks with an input."""
    sums = [{"prompt": f"{n % 9} + 1?", "gold": n % 9 + 1} for n in range(10)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums))
    (tmp_path / "tasks.csv").write_text("instruction,input\nSort,b a\nSort,d c\nName a fruit,\n")
    return tmp_path


def mixed(folder, *sources, seed=0):
    parsed = [PromptSource.parse(text) for text in sources]
    parts = mix_prompts(parsed, folder / "mixed.jsonl", seed=seed)
    lines = (folder / "mixed.jsonl").read_text().splitlines()
    return parts, [json.loads(line) for line in lines]


def test_prompts_of_all_sources_are_written_with_ids_of_source_and_row(folder):
    """
    An instruction is followed by its input; gold answers are kept.
    """
    parts, rows = mixed(folder, f"sums={folder}/sums.jsonl", f"tasks={folder}/tasks.csv")

    assert rows[0] == {"id": "sums/0", "prompt": "0 + 1?", "gt": "1"}
    assert [row["prompt"] for row in rows[-3:]] == ["Sort\n\nb a", "Sort\n\nd c", "Name a fruit"]
    assert rows[-1]["id"] == "tasks/2"
    assert [(part.written, part.repeated) for part in parts] == [(9, 1), (3, 0)]


def test_a_count_draws_by_the_seed(folder):
    """
    The same seed draws the same prompts, also with another source before.
    """
    source = f"sums={folder}/sums.jsonl:4"
    first = mixed(folder, source, seed=1)[1]

    assert len(first) == 4
    assert mixed(folder, f"tasks={folder}/tasks.csv", source, seed=1)[1][3:] == first
    assert mixed(folder, source, seed=2)[1] != first


def test_a_data_set_is_named_with_its_split():
    """
    After ``hf:``; the count comes last.
    """
    source = PromptSource.parse("safe=hf:owner/name@train:30")

    assert source == PromptSource("safe", HubDataset("owner/name", "train"), 30)


@pytest.mark.parametrize("text", ["sums", "=a.jsonl", "a/b=c.jsonl", "a=", "a=b.jsonl:0"])
def test_a_source_of_another_form_is_refused(text):
    """
    With an example of the form.
    """
    with pytest.raises(ConfigError, match="expected NAME=PLACE or NAME=PLACE:COUNT"):
        PromptSource.parse(text)


def test_sources_that_cannot_be_mixed_are_said(folder):
    """
    Too few prompts, one name twice, and a row without a prompt.
    """
    (folder / "bad.jsonl").write_text('{"text": "x"}\n')

    with pytest.raises(ConfigError, match="has 9 different prompts, and 10 are asked for"):
        mixed(folder, f"sums={folder}/sums.jsonl:10")
    with pytest.raises(ConfigError, match="the same name"):
        mixed(folder, f"a={folder}/sums.jsonl", f"a={folder}/tasks.csv")
    with pytest.raises(QuestionError, match="has none of prompt, question, instruction, messages"):
        mixed(folder, f"bad={folder}/bad.jsonl")


def test_chats_are_mixed_and_long_prompts_left_out(tmp_path):
    """
    By the rules of question files; a row that is left out is no repetition.
    """
    rows = [
        {"messages": [{"role": "user", "content": "Hi?"}]},
        {"instruction": "x" * 70_000},
        {"instruction": "Add.", "input": "1, 2"},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))

    with pytest.warns(LongPromptWarning, match="1 prompt of more than 65,536 characters left out"):
        (part,) = mix_prompts(
            [PromptSource.parse(f"a={tmp_path}/a.jsonl")],
            tmp_path / "mixed.jsonl",
            seed=0,
            on_too_long="skip",
        )

    written = map(json.loads, (tmp_path / "mixed.jsonl").read_text().splitlines())
    assert [row["prompt"] for row in written] == ["Hi?", "Add.\n\n1, 2"]
    assert (part.written, part.repeated) == (2, 0)
