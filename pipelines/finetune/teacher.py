"""The analyses of training data: asked of a teacher, billed and resumed like a measurement."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.finetune.data import HELD_OUT, FinetuneData, FinetuneRow
from pipelines.finetune.hindsight import clean_rationale, find_leak, hindsight_request
from pipelines.finetune.rendering import label, shown_examples
from pipelines.measure import TRUNCATED, Call, CallKey, CallResult, MeasuredQuestion, PricedArm
from scope.errors import ConfigError
from scope.questions import Grader
from scope.reasoner import ExampleOutcome, Template

THINKING_TOKENS = 1_024
"""What a teacher may write besides the analysis."""

UNGRADED = Grader("rationale", lambda reply, gold, question: None, lambda gold, question: None)
"""Replies are filtered when all are there, so that a better filter costs no new call."""


@dataclass(frozen=True, slots=True)
class AskedRow:
    """A row of training data, the call about it, and what its reply is filtered by."""

    row: FinetuneRow
    call: Call
    prompt: str
    outcome: ExampleOutcome
    shown_tokens: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that explains outcomes.

    Attributes
    ----------
    arm : PricedArm
    base_url : str
        Of its endpoint.
    max_tokens : int
        Limit of the reasoning in a reply of the reasoner.
    """

    arm: PricedArm
    base_url: str
    max_tokens: int

    @property
    def name(self) -> str:
        """Name of the arm."""
        return self.arm.spec.id

    def settings(self) -> dict[str, Any]:
        """Return what a reply depends on besides model and prompt."""
        return {"base_url": self.base_url, "max_tokens": self._reply_tokens}

    def ask_about(self, data: FinetuneData) -> list[AskedRow]:
        """Return the calls about the rows of train and validation; none is about the hold-out.

        Each prompt of the data is about one model.
        """
        template = Template(data.template, "of the training data")
        rows = (row for row in data.rows if data.splits[row.question] != HELD_OUT)
        return [self._ask(data, template, row) for row in rows]

    @property
    def _reply_tokens(self) -> int:
        return self.max_tokens + THINKING_TOKENS

    def _ask(self, data: FinetuneData, template: Template, row: FinetuneRow) -> AskedRow:
        (column,), outcomes = row.columns, data.outcomes
        model = outcomes.models[column]
        examples = shown_examples(data, row)
        prompt = template.render(
            model=model, examples=examples, question=data.prompts[row.question]
        )
        correct = float(outcomes.correct_am[row.question, column])
        tokens = float(outcomes.completion_tokens_am[row.question, column])
        outcome = ExampleOutcome(tokens, label(correct, data.ids[row.question], model))
        text = hindsight_request(prompt, outcome, self.max_tokens)
        id_ = hashlib.sha256(text.encode()).hexdigest()[:24]
        asked = MeasuredQuestion(id_, text, None, UNGRADED, float(self.max_tokens))
        call = Call(asked, self.arm.spec, self._reply_tokens, None, self.arm.arm.effort)
        return AskedRow(row, call, prompt, outcome, tuple(it.tokens for it in examples))

    def write_analyses(
        self, data: FinetuneData, asked: list[AskedRow], replies: Mapping[CallKey, CallResult]
    ) -> tuple[FinetuneData, dict[str, int]]:
        """Return the data with the analyses, and how many rows each reason dropped.

        A row whose call failed, or whose rationale gives the outcome away, is dropped. The rows
        of the hold-out stay, without an analysis.

        Raises
        ------
        ConfigError
            If a split has no row left, or only one outcome.
        """
        kept, dropped = dict[tuple[int, tuple[int, ...]], str](), Counter[str]()
        for each in asked:
            reply = replies.get(each.call.key)
            if reply is None or reply.error is not None:
                dropped["no reply"] += 1
                continue
            text = clean_rationale(reply.answer or "")
            leak = find_leak(text, each.prompt, each.outcome, each.shown_tokens, self.max_tokens)
            reason = "too long" if reply.message == TRUNCATED else leak
            if reason is not None:
                dropped[reason] += 1
                continue
            kept[each.row.question, each.row.columns] = text
        rows = tuple(
            replace(row, analysis=kept.get((row.question, row.columns), ""))
            for row in data.rows
            if data.splits[row.question] == HELD_OUT or (row.question, row.columns) in kept
        )
        taught = replace(data, spec=data.spec.model_copy(update={"teacher": self.name}), rows=rows)
        self._check(taught, data, dropped)
        return taught, dict(dropped)

    def _check(self, taught: FinetuneData, data: FinetuneData, dropped: Counter[str]) -> None:
        """Raise `ConfigError` if nothing is left to learn or to validate."""
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in dropped.most_common())
        for split in ("train", "validation"):
            if data.rows_of(split) and not taught.rows_of(split):
                raise ConfigError(
                    f"teacher {self.name}: none of its rationales for the split {split} can be "
                    f"used ({reasons}); name another teacher"
                )
        correct_am = data.outcomes.correct_am
        outcomes = np.unique(
            [correct_am[r.question, r.columns[0]] for r in taught.rows_of("train")]
        )
        if len(outcomes) < 2:
            raise ConfigError(
                f"teacher {self.name}: the rationales that can be used explain only the outcome "
                f"{outcomes[0]:g} ({reasons}); name another teacher"
            )
