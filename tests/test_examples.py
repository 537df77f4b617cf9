from pathlib import Path

from scope.questions.questions import read_questions

EXAMPLES = Path(__file__).parents[1] / "examples" / "questions.jsonl"


def test_the_examples_are_many_and_of_many_subjects():
    """
    They are read as a user's file is, and the first ones show different subjects.
    """
    questions = read_questions(EXAMPLES)

    assert len(questions) >= 60
    assert len(set(questions.categories)) >= 12
    assert len(set(questions.categories[:8])) == 8
