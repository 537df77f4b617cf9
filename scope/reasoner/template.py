"""The Jinja templates of the reasoner's prompts; no other module of this package uses Jinja."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from scope.errors import ConfigError
from scope.reasoner.injection_guard import InjectionGuard
from scope.text_files import read_text

DEFAULT_TEMPLATE = Path(__file__).with_name("prompt.jinja")
DEFAULT_POOL_TEMPLATE = Path(__file__).with_name("pool_prompt.jinja")

MAX_MODEL_CHARS = 200
"""Characters of a model id that the prompt shows."""

NOT_RUN = "not run"
"""Record of a model on an example that it has no outcome on."""

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


class ExampleOutcome(NamedTuple):
    """What one model did on one question."""

    tokens: float
    """Length of the model's answer."""
    correct: bool


@dataclass(frozen=True, slots=True)
class PoolExample:
    """Outcomes of a pool on a question similar to the target question."""

    question: str
    outcomes: tuple[ExampleOutcome | None, ...]
    """Of each model, in the order of the pool; None if it was not run."""


class TemplateExample(NamedTuple):
    """The fields of an example that a template can use."""

    question: str
    len: int
    correct: str
    performance: str


class TemplatePoolExample(NamedTuple):
    """The field of an example that a template of form ``pool`` can use."""

    question: str


class TemplateModel(NamedTuple):
    """The fields of a model that a template of form ``pool`` can use."""

    name: str
    records: tuple[str, ...]


class SandboxedTemplate(ABC):
    """A Jinja text that is rendered in a sandbox.

    Values are never evaluated as Jinja, and cannot imitate a line of the template.

    Parameters
    ----------
    text : str
    source : str
        Name of the file, for messages.

    Raises
    ------
    ConfigError
        If the template cannot be rendered, or does not show all of its variables.
    """

    default: ClassVar[Path]
    """File of the default template."""
    placeholders: ClassVar[dict[str, str]]
    """Placeholder of each variable."""
    usage: ClassVar[str]
    """Variables that a template may use, for messages."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._render = self._compile(text)
        with_examples = self._render_placeholders([_EXAMPLE] * 2)
        names = tuple(self.placeholders)
        if missing := [name for name in names if self.placeholders[name] not in with_examples]:
            raise ConfigError(
                f"template {source} does not show {', '.join(missing)}; "
                f"expected {', '.join(names[:-1])} and {names[-1]}"
            )
        without_examples = self._render_placeholders([])
        self._lines, self._slots = _split_lines(f"{with_examples}\n{without_examples}")

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a template from a file; None reads the default template.

        Raises
        ------
        ConfigError
            If the file cannot be read, or is not a valid template.
        """
        try:
            text = read_text(path or cls.default)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"template {path} cannot be read: {error}") from error
        return cls(text, str(path or cls.default))

    def guard(self, control_tokens: Iterable[str] = ()) -> InjectionGuard:
        """Return the guard that keeps values inside their sections of this template."""
        return InjectionGuard(self._lines, self._slots, control_tokens)

    @cached_property
    def _default_guard(self) -> InjectionGuard:
        return self.guard()

    @abstractmethod
    def _render_placeholders(self, questions: Sequence[str]) -> str:
        """Return the prompt of placeholders; `questions` are those of the examples."""

    def _render_checked(self, **values: Any) -> str:  # noqa: ANN401 (what a template shows)
        try:
            return self._render(**values)
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
            f"template {self._source}{location} cannot be used: {reason}; it may use {self.usage}"
        )


class Template(SandboxedTemplate):
    """The template of a prompt about one model.

    It may use ``model`` (text), ``examples`` (each with ``question``, ``len``, ``correct`` and
    ``performance``, the last being ``{len: N, correct: yes|no}``) and ``question`` (text).
    """

    default = DEFAULT_TEMPLATE
    placeholders: ClassVar = {"model": _MODEL, "question": _QUESTION, "examples": _EXAMPLE}
    usage = "model, question and examples (question, len, correct, performance)"

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
            model=guard.sanitise_line(model, MAX_MODEL_CHARS),
            examples=shown,
            question=guard.sanitise(question),
        )

    def _render_placeholders(self, questions: Sequence[str]) -> str:
        examples = [_template_example(text, n + 1, n % 2 == 0) for n, text in enumerate(questions)]
        return self._render_checked(model=_MODEL, examples=examples, question=_QUESTION)


class PoolTemplate(SandboxedTemplate):
    """The template of a prompt about a whole pool.

    It may use ``models`` (each with ``name`` and ``records``, one text for each example:
    ``{len: N, correct: yes|no}`` or ``not run``), ``examples`` (each with ``question``) and
    ``question`` (text).
    """

    default = DEFAULT_POOL_TEMPLATE
    placeholders: ClassVar = {"models": _MODEL, "question": _QUESTION, "examples": _EXAMPLE}
    usage = "models (name, records), question and examples (question)"

    def render(
        self,
        *,
        models: Sequence[str],
        examples: Sequence[PoolExample],
        question: str,
        guard: InjectionGuard | None = None,
    ) -> str:
        """Return the prompt with sanitised values.

        Parameters
        ----------
        models : sequence of str
            Ids of the pool, in the order of the reply.
        examples : sequence of PoolExample
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
        outcomes = zip(*(example.outcomes for example in examples), strict=True)
        records = [tuple(map(_record, row)) for row in outcomes] or [()] * len(models)
        names = [guard.sanitise_line(model, MAX_MODEL_CHARS) for model in models]
        return self._render_checked(
            models=[TemplateModel(*row) for row in zip(names, records, strict=True)],
            examples=[TemplatePoolExample(guard.sanitise(it.question)) for it in examples],
            question=guard.sanitise(question),
        )

    def _render_placeholders(self, questions: Sequence[str]) -> str:
        outcomes = [ExampleOutcome(n + 1, n % 2 == 0) for n in range(len(questions))]
        records = [tuple(map(_record, outcomes)), (NOT_RUN,) * len(questions)]
        return self._render_checked(
            models=[TemplateModel(_MODEL, row) for row in records],
            examples=[TemplatePoolExample(text) for text in questions],
            question=_QUESTION,
        )


def performance_text(tokens: float, correct: bool) -> str:
    """Return an outcome as prompts and replies state it.

    Examples
    --------
    >>> performance_text(120.0, True)
    '{len: 120, correct: yes}'
    """
    return f"{{len: {round(tokens)}, correct: {'yes' if correct else 'no'}}}"


def _record(outcome: ExampleOutcome | None) -> str:
    return NOT_RUN if outcome is None else performance_text(*outcome)


def _template_example(question: str, tokens: float, correct: bool) -> TemplateExample:
    answer = "yes" if correct else "no"
    return TemplateExample(question, round(tokens), answer, performance_text(tokens, correct))


def _split_lines(rendered: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the literal lines of a template, and prefix and suffix of lines with a value."""
    parts = [_PLACEHOLDER.split(line) for line in rendered.splitlines()]
    lines = [part[0] for part in parts if len(part) == 1]
    return lines, [(part[0], part[-1]) for part in parts if len(part) > 1]
