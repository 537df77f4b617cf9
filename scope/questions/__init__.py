"""Question sets: read and check them, and grade the replies of models."""

from scope.questions.grading import GRADER_NAMES, Grader, grader_for
from scope.questions.questions import MAX_PROMPT_CHARS, read_questions
from scope.questions.readers import PUBLISHED_DATASETS, HubDataset, SourceRow, iter_rows

__all__ = [
    "GRADER_NAMES",
    "MAX_PROMPT_CHARS",
    "PUBLISHED_DATASETS",
    "Grader",
    "HubDataset",
    "SourceRow",
    "grader_for",
    "iter_rows",
    "read_questions",
]
