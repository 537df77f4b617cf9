"""The prompt of the reasoner: a template, guarded and cut to fit; the only user of Jinja in it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from scope.errors import ConfigError
from scope.guard import Guard
from scope.prompt_room import Room, share
from scope.reasoner import Reasoning, text_digest
from scope.reply import FORCED
from scope.tokens import Tokens

DEFAULT = Path(__file__).parent / "templates" / "prompt.jinja"

MAX_MODEL_CHARS = 200
"""A model's id is cut to this."""

_MODEL, _QUESTION, _EXAMPLE = "\ue000", "\ue001", "\ue002"
"""Stand for values where a template is looked at; no template holds such characters."""
_VALUE = re.compile(f"[{_MODEL}{_QUESTION}{_EXAMPLE}]")


@dataclass(frozen=True, slots=True)
class Example:
    """What the target model did on a question similar to the target question."""

    question: str
    tokens: float
    """Length of its answer."""
    correct: bool


class Shown(NamedTuple):
    """An example as a template sees it."""

    question: str
    len: int
    correct: str
    performance: str


class Template:
    """The wording of a prompt.

    A Jinja template that may use ``model`` (text), ``examples`` (each with ``question``,
    ``len``, ``correct`` and ``performance``, the last being ``{len: N, correct: yes|no}``) and
    ``question`` (text). Values are never read as template, and cannot pose as one of its lines.

    Parameters
    ----------
    text : str
    source : str
        Name of its file, for messages.

    Raises
    ------
    ConfigError
        If it cannot be rendered, or does not show all three.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self.digest = text_digest(text)
        self._render = self._compiled(text)
        frame = self._filled(_MODEL, [_EXAMPLE] * 2, _QUESTION)
        parts = {"model": _MODEL, "question": _QUESTION, "examples": _EXAMPLE}
        if missing := [name for name, mark in parts.items() if mark not in frame]:
            raise ConfigError(f"template {source} does not show {', '.join(missing)}; it must")
        bare = self._filled(_MODEL, [], _QUESTION)
        self._lines, self._slots = _own_lines(f"{frame}\n{bare}")

    @classmethod
    def load(cls, path: Path | None = None) -> "Template":
        """Read a template; without `path` it is ours.

        Raises
        ------
        ConfigError
            If it cannot be read or used.
        """
        try:
            text = (path or DEFAULT).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"template {path} cannot be read: {error}") from error
        return cls(text, str(path or DEFAULT))

    def guard(self, controls: Iterable[str] = ()) -> Guard:
        """Return what keeps values inside their sections of this template."""
        return Guard(self._lines, self._slots, controls)

    @cached_property
    def _plain_guard(self) -> Guard:
        return self.guard()

    def render(
        self,
        *,
        model: str,
        examples: Sequence[Example],
        question: str,
        guard: Guard | None = None,
    ) -> str:
        """Return the prompt, values guarded.

        Parameters
        ----------
        model : str
            Its id.
        examples : sequence of Example
            Nearest first.
        question : str
            The target question.
        guard : Guard, optional
            Of this template and a tokenizer's control tokens.

        Raises
        ------
        ConfigError
            If the template fails on these values.
        """
        safe = guard or self._plain_guard
        shown = [
            _shown(safe.text(example.question), example.tokens, example.correct)
            for example in examples
        ]
        return self._call(safe.line(model, MAX_MODEL_CHARS), shown, safe.text(question))

    def _filled(self, model: str, questions: Sequence[str], question: str) -> str:
        examples = [_shown(text, n + 1, n % 2 == 0) for n, text in enumerate(questions)]
        return self._call(model, examples, question)

    def _call(self, model: str, examples: list[Shown], question: str) -> str:
        try:
            return self._render(model=model, examples=examples, question=question)
        except Exception as error:  # whatever a stranger's template does
            raise self._unusable(error) from error

    def _compiled(self, text: str) -> Callable[..., str]:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import SandboxedEnvironment

        engine = SandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        engine.globals.clear()
        try:
            return engine.from_string(text).render
        except TemplateError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigError:
        told = " ".join(str(error).split()) or type(error).__name__
        line = getattr(error, "lineno", None)
        place = f" line {line}" if line else ""
        return ConfigError(
            f"template {self._source}{place} cannot be used: {told}; "
            "it may use model, question and examples (question, len, correct, performance)"
        )


class PromptWriter:
    """Writes prompts that fit a context.

    Parameters
    ----------
    template : Template
    tokens : Tokens
        Of the checkpoint that will read them.
    max_tokens : int
        Of the longest prompt.
    reasoning : {"full", "short", "none"}
        With ``none`` the prompt ends in the beginning of the reply.
    """

    def __init__(
        self, template: Template, tokens: Tokens, *, max_tokens: int, reasoning: Reasoning
    ) -> None:
        self._template, self._tokens = template, tokens
        self._guard = template.guard(tokens.controls)
        self._max_tokens = max_tokens
        self._prefix = FORCED if reasoning == "none" else ""

    def write(self, model: str, examples: Sequence[Example], question: str) -> str:
        """Return the whole text for the engine: the user's turn, and how the reply begins.

        It has at most `max_tokens` tokens: where texts are too long, examples shrink first,
        then the farthest are left out, then the question is cut.

        Raises
        ------
        ConfigError
            If not even the template without texts fits.
        """
        text = self._rendered(model, examples, question)
        if self._excess(text) <= 0:
            return text
        room = self._room(model, len(examples))
        lengths = [self._tokens.count(example.question) for example in examples]
        asked, spare = self._tokens.count(question), 0
        while True:
            plan = share(lengths, asked, [tokens - spare for tokens in room])
            text = self._rendered(model, *self._cut(plan, examples, question))
            excess = self._excess(text)
            if excess <= 0:
                return text
            # Parts have other tokens than a whole, and quoted lines more. Doubling ends soon:
            # at the latest without any text, which was seen to fit.
            spare = max(spare + excess, 2 * spare)

    def _room(self, model: str, n_examples: int) -> list[int]:
        """Return the tokens left for texts beside the frame of 0, 1, … examples."""
        blank = Example("", 99_999.0, True)
        room = [
            -self._excess(self._rendered(model, [blank] * n, "")) for n in range(n_examples + 1)
        ]
        if room[0] < 0:
            raise ConfigError(
                f"the prompt of {model!r:.80} has {self._max_tokens - room[0]} tokens without any "
                f"question, but at most {self._max_tokens} are allowed; raise max_context_tokens"
            )
        return room

    def _cut(
        self, plan: Room, examples: Sequence[Example], question: str
    ) -> tuple[list[Example], str]:
        kept = [
            Example(self._tokens.cut(example.question, n), example.tokens, example.correct)
            for example, n in zip(examples, plan.examples, strict=False)
        ]
        return kept, self._tokens.cut(question, plan.question)

    def _rendered(self, model: str, examples: Sequence[Example], question: str) -> str:
        text = self._template.render(
            model=model, examples=examples, question=question, guard=self._guard
        )
        return self._tokens.chat(text, self._prefix)

    def _excess(self, text: str) -> int:
        """Return by how many tokens `text` is too long."""
        return self._tokens.count(text) + self._tokens.n_added - self._max_tokens


def _shown(question: str, tokens: float, correct: bool) -> Shown:
    length, answer = round(tokens), "yes" if correct else "no"
    return Shown(question, length, answer, f"{{len: {length}, correct: {answer}}}")


def _own_lines(frame: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the lines of a template, and both ends of those that hold a value, too."""
    parts = [_VALUE.split(line) for line in frame.splitlines()]
    lines = [part[0] for part in parts if len(part) == 1]
    return lines, [(part[0], part[-1]) for part in parts if len(part) > 1]
