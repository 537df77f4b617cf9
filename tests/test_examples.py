from pathlib import Path

from scope.questions.questions import read_questions

EXAMPLES = Path(__file__).parents[1] / "examples" / "questions.jsonl"


def test_the_example_questions_cover_many_subjects():
    """
    The file can be read like a user's file, and its first questions have different subjects.
    """
    questions = read_questions(EXAMPLES)

    assert len(questions) >= 60
    assert len(set(questions.categories)) >= 12
    assert len(set(questions.categories[:8])) == 8
