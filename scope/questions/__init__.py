"""Question sets: read and check them, and grade the replies of models."""

from scope.questions.final_answer import final_answer
from scope.questions.grading import GRADER_NAMES, Grader, grader_for
from scope.questions.multiple_choice import extract_choice, option_letters
from scope.questions.numeric import extract_number
from scope.questions.prompts import (
    MAX_PROMPT_CHARS,
    REFUSE,
    LongPrompts,
    LongPromptWarning,
    row_prompt,
    row_text,
    unwrapped,
)
from scope.questions.questions import read_questions
from scope.questions.readers import PUBLISHED_DATASETS, HubDataset, SourceRow, iter_rows

__all__ = [
    "GRADER_NAMES",
    "MAX_PROMPT_CHARS",
    "PUBLISHED_DATASETS",
    "REFUSE",
    "Grader",
    "HubDataset",
    "LongPromptWarning",
    "LongPrompts",
    "SourceRow",
    "extract_choice",
    "extract_number",
    "final_answer",
    "grader_for",
    "iter_rows",
    "option_letters",
    "read_questions",
    "row_prompt",
    "row_text",
    "unwrapped",
]
