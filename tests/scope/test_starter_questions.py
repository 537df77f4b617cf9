"""The questions that the package ships with their texts."""

import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, STARTER_QUESTIONS, load_bank
from scope.questions import grader_for, read_questions

ROOT = Path(__file__).parents[2]
ROWS = [json.loads(line) for line in STARTER_QUESTIONS.read_text(encoding="utf-8").splitlines()]
CATEGORIES = Counter(row["category"] for row in ROWS)
REPLIES = {
    "choice": "Let me think.\n\nThe answer is ({}).",
    "numeric": "Let me think.\n\n#### {}",
    "literal": "Let me think.\n\n```python\nassert f(1) == {}\n```",
}


def test_there_are_enough_and_all_are_readable():
    """
    At least 600 with an id of their own; what `scope measure --questions` reads is the file.
    """
    questions = read_questions(STARTER_QUESTIONS)

    assert len(questions) == len(ROWS) >= 600
    assert len(set(questions.ids)) == len(set(questions.prompts)) == len(ROWS)
    assert all(prompt.strip() and len(prompt) <= 2_000 for prompt in questions.prompts)
    assert all(questions.gold_answers)


def test_each_source_and_each_subject_has_its_share():
    """
    Three kinds; every subject of MMLU-Pro but mathematics as often as any other.
    """
    sources = Counter(row["source"] for row in ROWS)

    assert set(sources) == {"MMLU-Pro", "GSM8K", "CRUXEval-O"}
    assert min(sources.values()) >= 100
    assert len(CATEGORIES) == 15
    subjects = {row["category"] for row in ROWS if row["source"] == "MMLU-Pro"}
    assert len({CATEGORIES[subject] for subject in subjects}) == 1


def test_nothing_is_of_math():
    """
    Neither from that data set, nor from the subject of MMLU-Pro that shares questions with it.
    """
    assert not {"math", "competition math"} & set(CATEGORIES)
    assert {row["id"].partition("-")[0] for row in ROWS} == {"mmlupro", "gsm", "crux"}


def test_those_of_the_embedded_bank_are_its_anchors():
    """
    A plan for that bank can use them, and no labelled question is among them.
    """
    ours = {row["id"] for row in ROWS if row["source"] == "MMLU-Pro"}

    assert ours <= set(load_bank(EMBEDDED_BANK).ids)
    assert not ours & set(load_bank(EMBEDDED_QUESTIONS).ids)


@pytest.mark.parametrize("n", [10, 25, 50, 100, 200, 400])
def test_every_beginning_is_spread_over_subjects_and_kinds(n):
    """
    Each has its share of the first n, give or take one.
    """
    counts = Counter(row["category"] for row in ROWS[:n])

    for category, n_all in CATEGORIES.items():
        assert abs(counts[category] - n * n_all / len(ROWS)) <= 1, category


def test_the_gold_answer_of_each_is_right_by_its_own_grader():
    """
    And so it is without the grader of the file, as in a bank that keeps texts and gold answers.
    """
    for row in ROWS:
        reply = REPLIES[row["grader"]].format(row["gold"])
        for name in (row["grader"], "auto"):
            grader = grader_for(name, row["gold"], row["prompt"], row["id"])
            assert grader.grade(reply, row["gold"], row["prompt"]) == 1.0, row["id"]


def test_another_answer_is_wrong_by_the_grader_of_each():
    """
    Another letter, another number, another literal.
    """
    for row in ROWS:
        other = {"choice": "B" if row["gold"] == "A" else "A", "numeric": "-0.5"}.get(row["grader"])
        reply = REPLIES[row["grader"]].format(other or f"[{row['gold']}, 7]")
        grader = grader_for(row["grader"], row["gold"], row["prompt"], row["id"])
        assert grader.grade(reply, row["gold"], row["prompt"]) == 0.0, row["id"]


def test_the_notice_names_each_source_and_is_packed():
    """
    With the licence, in the wheel and in the source distribution.
    """
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["license-files"] == ["LICENSE", "NOTICE"]
    for name in ("MMLU-Pro", "GSM8K", "CRUXEval", "tokencost", "litellm", "f418b116", "8c1485e"):
        assert name in notice


def test_the_data_of_the_package_stay_small():
    """
    A wheel has at most 14 MB, even if none of its data could be compressed.
    """
    files = [path for path in (ROOT / "scope").rglob("*") if path.is_file()]
    data = [path for path in files if path.suffix not in (".py", ".pyc")]

    assert STARTER_QUESTIONS in data
    assert sum(path.stat().st_size for path in data) < 12e6
