"""The wording of the reasoner's prompt, and what of it is whose; the only user of Jinja in it."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from scope.errors import ConfigError
from scope.reasoner.injection_guard import InjectionGuard

DEFAULT = Path(__file__).with_name("prompt.jinja")

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


class TemplateExample(NamedTuple):
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
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._render = self._compiled(text)
        frame = self._render_raw(_MODEL, [_EXAMPLE] * 2, _QUESTION)
        parts = {"model": _MODEL, "question": _QUESTION, "examples": _EXAMPLE}
        if missing := [name for name, mark in parts.items() if mark not in frame]:
            raise ConfigError(f"template {source} does not show {', '.join(missing)}; it must")
        bare = self._render_raw(_MODEL, [], _QUESTION)
        self._lines, self._slots = _literal_lines(f"{frame}\n{bare}")

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

    def guard(self, controls: Iterable[str] = ()) -> InjectionGuard:
        """Return what keeps values inside their sections of this template."""
        return InjectionGuard(self._lines, self._slots, controls)

    @cached_property
    def _plain_guard(self) -> InjectionGuard:
        return self.guard()

    def render(
        self,
        *,
        model: str,
        examples: Sequence[Example],
        question: str,
        guard: InjectionGuard | None = None,
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
        guard : InjectionGuard, optional
            Of this template and a tokenizer's control tokens.

        Raises
        ------
        ConfigError
            If the template fails on these values.
        """
        safe = guard or self._plain_guard
        shown = [
            _shown(safe.sanitise(example.question), example.tokens, example.correct)
            for example in examples
        ]
        return self._call(
            safe.sanitise_line(model, MAX_MODEL_CHARS), shown, safe.sanitise(question)
        )

    def _render_raw(self, model: str, questions: Sequence[str], question: str) -> str:
        examples = [_shown(text, n + 1, n % 2 == 0) for n, text in enumerate(questions)]
        return self._call(model, examples, question)

    def _call(self, model: str, examples: list[TemplateExample], question: str) -> str:
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


def _shown(question: str, tokens: float, correct: bool) -> TemplateExample:
    length, answer = round(tokens), "yes" if correct else "no"
    return TemplateExample(question, length, answer, f"{{len: {length}, correct: {answer}}}")


def _literal_lines(frame: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the lines of a template, and both ends of those that hold a value, too."""
    parts = [_VALUE.split(line) for line in frame.splitlines()]
    lines = [part[0] for part in parts if len(part) == 1]
    return lines, [(part[0], part[-1]) for part in parts if len(part) > 1]
