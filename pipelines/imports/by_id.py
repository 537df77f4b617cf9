"""Read logs that name their questions by id only: OpenAI batches, the SWE-bench leaderboard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.imports.files import log_files, log_rows, read_json
from pipelines.imports.record import Record, field_of, list_of, part_of, score_of, text_of, usd_of
from scope.errors import FormatError
from scope.prices import TokenUsage
from scope.questions import grader_for, read_questions

MODEL_TAG = "Model: "
"""Begins the tag of a submission that names its model."""


class _Asked(NamedTuple):
    """What a file of questions says of one."""

    prompt: str
    category: str
    gold: str | None
    grader: str | None


@dataclass(frozen=True, slots=True)
class QuestionsById:
    """Questions by id, for logs without texts."""

    source: str
    questions: Mapping[str, _Asked]

    @classmethod
    def read(cls, path: Path) -> "QuestionsById":
        """Read a file of questions; raises `QuestionError` as `read_questions` does."""
        rows = read_questions(path)
        columns = (rows.prompts, rows.categories, rows.gold_answers, rows.graders)
        asked = (_Asked(*row) for row in zip(*columns, strict=True))
        return cls(str(path), dict(zip(rows.ids, asked, strict=True)))

    def find(self, question_id: str, location: str) -> _Asked:
        """Return a question; raises `FormatError` if the file does not have it."""
        if question_id not in self.questions:
            raise FormatError(f"{location}: {self.source} has no question {question_id!r:.80}")
        return self.questions[question_id]


def read_openai_batch(
    paths: Sequence[Path], questions: QuestionsById, grader: str
) -> Iterator[Record]:
    """Yield the graded answers of OpenAI batch output files.

    ``custom_id`` is the id of a question, whose gold answer grades the reply. Failed requests and
    replies that cannot be graded have no score and are left out.

    Raises
    ------
    FormatError
        If a line has another form, or asks an unknown question.
    """
    for path in log_files(paths, "*.jsonl"):
        for location, row in log_rows(path):
            question_id = text_of(row, "custom_id", location)
            asked = questions.find(question_id, location)
            response = row.get("response")
            if response is None and row.get("error") is None:
                raise FormatError(f"{location} has no response; expected a batch output file")
            if response is None or field_of(response, "status_code", location) != 200:
                continue
            body = field_of(response, "body", location)
            answer = _answer(body, location)
            how = grader_for(asked.grader or grader, asked.gold, asked.prompt, location)
            grade = how.grade(answer, asked.gold, asked.prompt)
            if grade is None:
                continue
            usage = TokenUsage.from_json(body.get("usage"))
            yield Record(
                location=location,
                prompt=asked.prompt,
                model=text_of(body, "model", location),
                score=grade,
                answer=answer,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cost_usd=usage.cost_usd,
                gold=asked.gold,
                category=asked.category,
            )


def read_swe_bench(paths: Sequence[Path], questions: QuestionsById) -> Iterator[Record]:
    """Yield the outcomes in ``leaderboards.json`` of submissions that publish them.

    Only a submission with one tag ``Model: NAME`` and ``per_instance_details`` has any. Two
    submissions of one model differ in their settings.

    Raises
    ------
    FormatError
        If a file has another form, or names an unknown issue.
    """
    for path in log_files(paths, "*.json"):
        n_found = 0
        for board in list_of(read_json(path), "leaderboards", str(path)):
            for result in list_of(board, "results", str(path)):
                details, models = part_of(result, "per_instance_details"), _models(result)
                if not details or len(models) != 1:
                    continue
                n_found += 1
                yield from _instances(result, models[0], questions, str(path))
        if not n_found:
            raise FormatError(
                f"{path} has no submission of one model with per_instance_details; expected one"
            )


def _instances(
    result: Mapping[str, Any], model: str, questions: QuestionsById, source: str
) -> Iterator[Record]:
    submission = text_of(result, "name", source)
    for instance, outcome in result["per_instance_details"].items():
        location = f"{source}: {submission}: {instance}"
        asked = questions.find(instance, location)
        yield Record(
            location=location,
            prompt=asked.prompt,
            model=model,
            score=score_of(field_of(outcome, "resolved", location), "resolved", location),
            cost_usd=usd_of(outcome.get("cost"), "cost", location),
            gold=asked.gold,
            category=asked.category,
            source="swe-bench",
            settings=submission,
        )


def _models(result: Mapping[str, Any]) -> list[str]:
    tags = part_of(result).get("tags")
    tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return [tag.removeprefix(MODEL_TAG) for tag in tags if tag.startswith(MODEL_TAG)]


def _answer(body: Mapping[str, Any], location: str) -> str:
    """Return the text of the first choice; a refusal without text is an empty answer."""
    choices = list_of(body, "choices", location) or [None]
    content = part_of(field_of(choices[0], "message", location)).get("content") or ""
    if not isinstance(content, str):
        raise FormatError(f"{location}: content is {content!r:.40}; expected text")
    return content
