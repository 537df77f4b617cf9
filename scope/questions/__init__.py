"""Question sets: read and check them, and grade the replies of models."""

from scope.questions.final_answer import final_answer
from scope.questions.grading import GRADER_NAMES, Grader, grader_for
from scope.questions.multiple_choice import extract_choice, option_letters
from scope.questions.numeric import extract_number
from scope.questions.questions import MAX_PROMPT_CHARS, read_questions
from scope.questions.readers import PUBLISHED_DATASETS, HubDataset, SourceRow, iter_rows

__all__ = [
    "GRADER_NAMES",
    "MAX_PROMPT_CHARS",
    "PUBLISHED_DATASETS",
    "Grader",
    "HubDataset",
    "SourceRow",
    "extract_choice",
    "extract_number",
    "final_answer",
    "grader_for",
    "iter_rows",
    "option_letters",
    "read_questions",
]
