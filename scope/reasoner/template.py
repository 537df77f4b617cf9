"""The Jinja template of the reasoner's prompt; no other module of this package uses Jinja."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from scope.errors import ConfigError
from scope.reasoner.injection_guard import InjectionGuard
from scope.text_files import read_text

DEFAULT_TEMPLATE = Path(__file__).with_name("prompt.jinja")

MAX_MODEL_CHARS = 200
"""Characters of a model id that the prompt shows."""

_MODEL, _QUESTION, _EXAMPLE = "\ue000", "\ue001", "\ue002"
"""Placeholders for values when a template is analysed; private-use characters."""
_PLACEHOLDER = re.compile(f"[{_MODEL}{_QUESTION}{_EXAMPLE}]")


@dataclass(frozen=True, slots=True)
class Example:
    """Outcome of the target model on a question similar to the target question."""

    question: str
    tokens: float
    """Length of the model's answer."""
    correct: bool


class TemplateExample(NamedTuple):
    """The fields of an example that a template can use."""

    question: str
    len: int
    correct: str
    performance: str


class Template:
    """A prompt template.

    The Jinja text may use ``model`` (text), ``examples`` (each with ``question``, ``len``,
    ``correct`` and ``performance``, the last being ``{len: N, correct: yes|no}``) and
    ``question`` (text). Values are never evaluated as Jinja, and cannot imitate a line of the
    template.

    Parameters
    ----------
    text : str
    source : str
        Name of the file, for messages.

    Raises
    ------
    ConfigError
        If the template cannot be rendered, or does not show all three variables.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._render = self._compile(text)
        with_examples = self._render_raw(_MODEL, [_EXAMPLE] * 2, _QUESTION)
        variables = {"model": _MODEL, "question": _QUESTION, "examples": _EXAMPLE}
        if missing := [name for name, mark in variables.items() if mark not in with_examples]:
            raise ConfigError(
                f"template {source} does not show {', '.join(missing)}; "
                "expected model, question and examples"
            )
        without_examples = self._render_raw(_MODEL, [], _QUESTION)
        self._lines, self._slots = _split_lines(f"{with_examples}\n{without_examples}")

    @classmethod
    def load(cls, path: Path | None = None) -> "Template":
        """Read a template from a file; None reads the default template.

        Raises
        ------
        ConfigError
            If the file cannot be read, or is not a valid template.
        """
        try:
            text = read_text(path or DEFAULT_TEMPLATE)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"template {path} cannot be read: {error}") from error
        return cls(text, str(path or DEFAULT_TEMPLATE))

    def guard(self, control_tokens: Iterable[str] = ()) -> InjectionGuard:
        """Return the guard that keeps values inside their sections of this template."""
        return InjectionGuard(self._lines, self._slots, control_tokens)

    @cached_property
    def _default_guard(self) -> InjectionGuard:
        return self.guard()

    def render(
        self,
        *,
        model: str,
        examples: Sequence[Example],
        question: str,
        guard: InjectionGuard | None = None,
    ) -> str:
        """Return the prompt with sanitised values.

        Parameters
        ----------
        model : str
            Id of the target model.
        examples : sequence of Example
            Most similar first.
        question : str
            The target question.
        guard : InjectionGuard, optional
            Guard of this template and the control tokens of a tokenizer.

        Raises
        ------
        ConfigError
            If the template fails on these values.
        """
        guard = guard or self._default_guard
        shown = [
            _template_example(guard.sanitise(example.question), example.tokens, example.correct)
            for example in examples
        ]
        return self._render_checked(
            guard.sanitise_line(model, MAX_MODEL_CHARS), shown, guard.sanitise(question)
        )

    def _render_raw(self, model: str, questions: Sequence[str], question: str) -> str:
        examples = [_template_example(text, n + 1, n % 2 == 0) for n, text in enumerate(questions)]
        return self._render_checked(model, examples, question)

    def _render_checked(self, model: str, examples: list[TemplateExample], question: str) -> str:
        try:
            return self._render(model=model, examples=examples, question=question)
        except Exception as error:  # a custom template can raise anything
            raise self._error(error) from error

    def _compile(self, text: str) -> Callable[..., str]:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import SandboxedEnvironment

        environment = SandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        environment.globals.clear()
        try:
            return environment.from_string(text).render
        except TemplateError as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> ConfigError:
        reason = " ".join(str(error).split()) or type(error).__name__
        line = getattr(error, "lineno", None)
        location = f" line {line}" if line else ""
        return ConfigError(
            f"template {self._source}{location} cannot be used: {reason}; "
            "it may use model, question and examples (question, len, correct, performance)"
        )


def _template_example(question: str, tokens: float, correct: bool) -> TemplateExample:
    length, answer = round(tokens), "yes" if correct else "no"
    return TemplateExample(question, length, answer, f"{{len: {length}, correct: {answer}}}")


def _split_lines(rendered: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the literal lines of a template, and prefix and suffix of lines with a value."""
    parts = [_PLACEHOLDER.split(line) for line in rendered.splitlines()]
    lines = [part[0] for part in parts if len(part) == 1]
    return lines, [(part[0], part[-1]) for part in parts if len(part) > 1]
