"""Question sets: read and check them, and grade the replies of models."""

from scope.questions.final_answer import final_answer
from scope.questions.grading import GRADER_NAMES, Grader, grader_for
from scope.questions.judge import (
    DEFAULT_RUBRIC,
    JUDGE_PREFIX,
    Judgement,
    Verdict,
    combined,
    combined_pair,
    pair_prompt,
    pair_verdict,
    preference,
    rubric_prompt,
    rubric_verdict,
)
from scope.questions.judge_agreement import (
    cohens_kappa,
    kappa_interval,
    length_correlation,
    share,
)
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
from scope.questions.questions import Questions, id_of_text, read_questions
from scope.questions.readers import PUBLISHED_DATASETS, HubDataset, SourceRow, iter_rows

__all__ = [
    "DEFAULT_RUBRIC",
    "GRADER_NAMES",
    "JUDGE_PREFIX",
    "MAX_PROMPT_CHARS",
    "PUBLISHED_DATASETS",
    "REFUSE",
    "Grader",
    "HubDataset",
    "Judgement",
    "LongPromptWarning",
    "LongPrompts",
    "Questions",
    "SourceRow",
    "Verdict",
    "cohens_kappa",
    "combined",
    "combined_pair",
    "extract_choice",
    "extract_number",
    "final_answer",
    "grader_for",
    "id_of_text",
    "iter_rows",
    "kappa_interval",
    "length_correlation",
    "option_letters",
    "pair_prompt",
    "pair_verdict",
    "preference",
    "read_questions",
    "row_prompt",
    "row_text",
    "rubric_prompt",
    "rubric_verdict",
    "share",
    "unwrapped",
]
