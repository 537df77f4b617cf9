"""The judge's part of a measurement: its bill, its calls, and the scores of the answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.measure.call_plan import GUESSED_TOKENS, Call, CallKey
from pipelines.measure.journal import CallResult, EarlierResults, Journal, check_settings
from pipelines.measure.judge import (
    EXPECTED_TOKENS,
    JUDGE_FOLDER,
    JUDGE_MAX_TOKENS,
    Judge,
    ask_judge,
    check_parses,
    judge_calls,
    judged_rows,
    unanswered,
)
from pipelines.measure.run import RequestSettings
from pipelines.measure.spend_cap import Quote, SpendCap
from pipelines.terminal import Stages
from scope.errors import FormatError
from scope.questions import Judgement, iter_rows, unwrapped
from scope.storage import atomic_file

JUDGEMENTS = "judgements.jsonl"


@dataclass(frozen=True, slots=True)
class Judging:
    """A judge with its endpoint and the folder of the results.

    Attributes
    ----------
    judge : Judge
    output : Path
        Folder of the measurement; the judge's replies are in a folder within it.
    """

    judge: Judge
    output: Path

    @property
    def folder(self) -> Path:
        """Folder of the judge's journal."""
        return self.output / JUDGE_FOLDER

    def history(self) -> EarlierResults:
        """Return the replies of earlier runs, and their cost."""
        check_settings(self.folder, self.judge.settings())
        return EarlierResults.read(self.folder)

    def open_journal(self, *, fresh: bool) -> Journal:
        """Return the judge's journal; while it is open no other run adds to it."""
        return Journal(self.folder, self.judge.settings(), fresh=fresh)

    def quote(
        self, calls: Sequence[Call], rows: Mapping[CallKey, CallResult], replies: EarlierResults
    ) -> Quote:
        """Return the judge's cost: of answers that are still to come a guess by their length."""
        known = Quote.from_calls(replies.pending(judge_calls(self.judge, calls, rows)))
        expected, most, n = known.expected_usd, known.max_usd, known.n_calls
        for call in unanswered(calls, rows):
            asked = [each for part in self.judge.calls(call.question, "") for each in part]
            tokens = min(call.question.expected_tokens or GUESSED_TOKENS, call.max_tokens)
            size = len(asked[0].question.prompt.encode())
            n += len(asked)
            expected += len(asked) * asked[0].usd(size / 4 + tokens, EXPECTED_TOKENS)
            most += len(asked) * asked[0].usd(size / 2 + 32 + 2 * call.max_tokens, JUDGE_MAX_TOKENS)
        return Quote(n, expected, most, n)

    async def judge_answers(
        self,
        calls: Sequence[Call],
        requests: RequestSettings,
        journal: Journal,
        cap: SpendCap,
        stages: Stages | None = None,
    ) -> None:
        """Ask the judge about all answers in the folder that it has not judged yet.

        Raises
        ------
        ConfigError
            If it has replied and none of its replies states a verdict.
        """
        rows = EarlierResults.read(self.output).rows
        asked = judge_calls(self.judge, calls, rows)
        await ask_judge(asked, requests, journal, self.folder, cap, stages)
        check_parses(asked, EarlierResults.read(self.folder).rows)

    def score(
        self, calls: Sequence[Call], rows: Mapping[CallKey, CallResult]
    ) -> tuple[dict[CallKey, CallResult], int]:
        """Write `JUDGEMENTS`; return the graded results and the number of answers without score.

        Judgements of answers to questions that are not in this run stay as they are.
        """
        replies = EarlierResults.read(self.folder).rows
        graded, found = judged_rows(self.judge, calls, rows, replies)
        kept = {key: line for key, line in self._earlier().items() if key in rows}
        lines = kept | {key: _line(key, self.judge.name, each) for key, each in found.items()}
        for key, line in kept.items():
            if key not in found:
                graded[key] = _graded(rows[key], line)
        with atomic_file(self.output / JUDGEMENTS) as draft:
            draft.write_text(
                "".join(json.dumps(lines[key]) + "\n" for key in sorted(lines, key=str)), "utf-8"
            )
        return graded, sum(each.score is None for each in found.values())

    def _earlier(self) -> dict[CallKey, dict[str, Any]]:
        path = self.output / JUDGEMENTS
        lines = [unwrapped(row.row, str(row)) for row in iter_rows(path)] if path.exists() else []
        if any({"question_id", "model", "score"} - set(line) for line in lines):
            raise FormatError(f"{path} has a line without question_id, model or score")
        return {(line["question_id"], line["model"], None): dict(line) for line in lines}


def _line(key: CallKey, judge: str, found: Judgement) -> dict[str, Any]:
    return {"question_id": key[0], "model": key[1], "judge": judge, **asdict(found)}


def _graded(row: CallResult, line: Mapping[str, Any]) -> CallResult:
    return replace(row, correct=line["score"])
