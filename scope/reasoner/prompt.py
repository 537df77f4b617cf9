"""The prompt of the reasoner: the rendered template, truncated to the context length."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from scope.errors import ConfigError
from scope.reasoner.pool_reply import FORCED_POOL_PREFIX
from scope.reasoner.reply import FORCED_PREFIX
from scope.reasoner.spec import ReasonerConfig, Reasoning
from scope.reasoner.template import (
    Example,
    ExampleOutcome,
    PoolExample,
    PoolTemplate,
    SandboxedTemplate,
    Template,
)
from scope.reasoner.tokenizer import PromptTokenizer

Target = TypeVar("Target")
"""Whom a prompt asks about: the id of a model, or the ids of a pool."""

Shown = TypeVar("Shown", Example, PoolExample)

MIN_EXAMPLE_TOKENS = 48
"""Shortest length to which an example is cut; beyond that the least similar one is dropped."""


BLANK_TOKENS = 99_999.0
"""Length of an answer for which the template's own tokens are counted: none is written longer."""


@dataclass(frozen=True, slots=True)
class TokenAllocation:
    """Number of tokens that each text may have.

    Attributes
    ----------
    examples : tuple of int
        For each example kept, most similar first.
    question : int
    """

    examples: tuple[int, ...]
    question: int


def allocate_tokens(
    example_tokens: Sequence[int], question_tokens: int, budgets: Sequence[int]
) -> TokenAllocation:
    """Divide the token budget of a prompt between the examples and the question.

    First the longest examples are cut, to a common length of at least `MIN_EXAMPLE_TOKENS`.
    If that is not enough, the least similar examples are dropped. Only without any example
    is the question cut.

    Parameters
    ----------
    example_tokens : sequence of int
        Lengths of the examples, most similar first.
    question_tokens : int
    budgets : sequence of int of shape (n_examples + 1,)
        ``budgets[n]`` tokens are available for the texts of n examples and the question.

    Examples
    --------
    >>> allocate_tokens([300, 50, 200], 100, [1_000, 900, 800, 400])
    TokenAllocation(examples=(125, 50, 125), question=100)
    >>> allocate_tokens([300, 50, 200], 100, [400, 300, 200, 100])
    TokenAllocation(examples=(50, 50), question=100)
    >>> allocate_tokens([300], 500, [400, 300])
    TokenAllocation(examples=(), question=400)
    """
    for n in range(len(example_tokens), 0, -1):
        nearest = example_tokens[:n]
        budget = budgets[n] - question_tokens
        if budget >= sum(min(tokens, MIN_EXAMPLE_TOKENS) for tokens in nearest):
            limit = water_fill(nearest, budget)
            return TokenAllocation(tuple(min(tokens, limit) for tokens in nearest), question_tokens)
    return TokenAllocation((), max(min(question_tokens, budgets[0]), 0))


def water_fill(lengths: Sequence[int], budget: int) -> int:
    """Return the largest integer limit with ``sum(min(length, limit)) <= budget``.

    Examples
    --------
    >>> water_fill([10, 50, 60], 90)
    40
    """
    left, n_left = budget, len(lengths)
    for length in sorted(lengths):
        if length * n_left > left:
            return left // n_left
        left, n_left = left - length, n_left - 1
    return max(lengths, default=0)


class FittingPromptBuilder(ABC, Generic[Target, Shown]):
    """Builds prompts that fit the context of a checkpoint, about a model or about a pool.

    Parameters
    ----------
    template : SandboxedTemplate
    tokenizer : PromptTokenizer
        Tokenizer of the checkpoint.
    max_tokens : int
        Length of the longest prompt.
    prefix : str
        Beginning of the reply, which ends the prompt.
    """

    def __init__(
        self,
        template: SandboxedTemplate,
        tokenizer: PromptTokenizer,
        *,
        max_tokens: int,
        prefix: str,
    ) -> None:
        self._tokenizer = tokenizer
        self._guard = template.guard(tokenizer.special_tokens)
        self._max_tokens, self._prefix = max_tokens, prefix

    def build(self, target: Target, examples: Sequence[Shown], question: str) -> str:
        """Return the text for the engine: the user's turn and the beginning of the reply.

        It has at most `max_tokens` tokens. If the texts are too long, examples are cut first,
        then the least similar are dropped, then the question is cut.

        Parameters
        ----------
        target : str or sequence of str
            Id of the target model, or those of the pool.
        examples : sequence of Example or PoolExample
            Most similar first.
        question : str

        Raises
        ------
        ConfigError
            If the template alone does not fit.
        """
        text = self._chat(target, examples, question)
        if self._overflow(text) <= 0:
            return text
        budgets = self._token_budgets(target, len(examples))
        # Sanitised before cutting, so that token counts agree with those inside the prompt.
        examples = [
            replace(example, question=self._guard.sanitise(example.question))
            for example in examples
        ]
        question = self._guard.sanitise(question)
        example_tokens = [self._tokenizer.count(example.question) for example in examples]
        question_tokens, reserve = self._tokenizer.count(question), 0
        while True:
            allocation = allocate_tokens(
                example_tokens, question_tokens, [budget - reserve for budget in budgets]
            )
            text = self._chat(target, *self._truncate(allocation, examples, question))
            excess = self._overflow(text)
            if excess <= 0:
                return text
            # A part can have more tokens than it had within the whole. Doubling the reserve
            # ends the loop soon, at the latest with empty texts, which fit.
            reserve = max(reserve + excess, 2 * reserve)

    def check_room(self, target: Target) -> None:
        """Check that a prompt about `target` has room for a short question and one example.

        Raises
        ------
        ConfigError
            If it has not.
        """
        room = self._token_budgets(target, 1)[1]
        if room < 2 * MIN_EXAMPLE_TOKENS:
            raise ConfigError(
                f"{max(room, 0)} of the {self._max_tokens} tokens of a prompt are left for the "
                f"question and its examples; expected at least {2 * MIN_EXAMPLE_TOKENS}, so raise "
                "max_context_tokens"
            )

    def _token_budgets(self, target: Target, n_examples: int) -> list[int]:
        """Return the tokens that the template leaves for the texts of 0, 1, … examples."""
        blank = self._blank(target)
        budgets = [
            -self._overflow(self._chat(target, [blank] * n, "")) for n in range(n_examples + 1)
        ]
        if budgets[0] < 0:
            raise ConfigError(
                f"the prompt of {self._name(target)} has {self._max_tokens - budgets[0]} tokens "
                f"without any question, but at most {self._max_tokens} are allowed; "
                "raise max_context_tokens"
            )
        return budgets

    def _truncate(
        self, allocation: TokenAllocation, examples: Sequence[Shown], question: str
    ) -> tuple[list[Shown], str]:
        kept = [
            replace(example, question=self._tokenizer.truncate_middle(example.question, n))
            for example, n in zip(examples, allocation.examples, strict=False)
        ]
        return kept, self._tokenizer.truncate_middle(question, allocation.question)

    def _chat(self, target: Target, examples: Sequence[Shown], question: str) -> str:
        text = self._render(target, examples, question)
        return self._tokenizer.apply_chat_template(text, self._prefix)

    def _overflow(self, text: str) -> int:
        """Return the number of tokens by which `text` is too long; negative if it fits."""
        return self._tokenizer.count(text) + self._tokenizer.n_special_tokens - self._max_tokens

    @abstractmethod
    def _render(self, target: Target, examples: Sequence[Shown], question: str) -> str:
        """Return the rendered template."""

    @abstractmethod
    def _blank(self, target: Target) -> Shown:
        """Return an example without text whose outcomes are long."""

    @abstractmethod
    def _name(self, target: Target) -> str:
        """Return the name of the target for messages."""


class PromptBuilder(FittingPromptBuilder[str, Example]):
    """Builds prompts about one model.

    Parameters
    ----------
    template : Template
    tokenizer : PromptTokenizer
        Tokenizer of the checkpoint.
    max_tokens : int
        Length of the longest prompt.
    reasoning : {"full", "short", "none"}
        With ``none`` the prompt ends in the beginning of the reply.
    """

    def __init__(
        self,
        template: Template,
        tokenizer: PromptTokenizer,
        *,
        max_tokens: int,
        reasoning: Reasoning,
    ) -> None:
        prefix = FORCED_PREFIX if reasoning == "none" else ""
        super().__init__(template, tokenizer, max_tokens=max_tokens, prefix=prefix)
        self._template = template

    @classmethod
    def from_config(cls, config: ReasonerConfig, tokenizer: PromptTokenizer) -> Self:
        """Return the builder for a configured reasoner and the tokenizer of its checkpoint.

        Raises
        ------
        ConfigError
            If the template is invalid, or replies leave no room for a prompt.
        """
        return cls(
            Template.load(config.template),
            tokenizer,
            max_tokens=config.max_prompt_tokens(),
            reasoning=config.reasoning,
        )

    def _render(self, target: str, examples: Sequence[Example], question: str) -> str:
        return self._template.render(
            model=target, examples=examples, question=question, guard=self._guard
        )

    def _blank(self, target: str) -> Example:
        return Example("", BLANK_TOKENS, True)

    def _name(self, target: str) -> str:
        return f"{target!r:.80}"


class PoolPromptBuilder(FittingPromptBuilder[Sequence[str], PoolExample]):
    """Builds prompts about a whole pool: question and examples once, then every model's record.

    Parameters
    ----------
    template : PoolTemplate
    tokenizer : PromptTokenizer
        Tokenizer of the checkpoint.
    max_tokens : int
        Length of the longest prompt.
    reasoning : {"full", "short", "none"}
        With ``none`` the prompt ends in the beginning of the reply.
    """

    def __init__(
        self,
        template: PoolTemplate,
        tokenizer: PromptTokenizer,
        *,
        max_tokens: int,
        reasoning: Reasoning,
    ) -> None:
        prefix = FORCED_POOL_PREFIX if reasoning == "none" else ""
        super().__init__(template, tokenizer, max_tokens=max_tokens, prefix=prefix)
        self._template = template

    @classmethod
    def from_config(cls, config: ReasonerConfig, tokenizer: PromptTokenizer, n_models: int) -> Self:
        """Return the builder for a configured reasoner and a pool of at most `n_models`.

        Raises
        ------
        ConfigError
            If the template is invalid, or replies leave no room for a prompt.
        """
        return cls(
            PoolTemplate.load(config.template),
            tokenizer,
            max_tokens=config.max_prompt_tokens(n_models),
            reasoning=config.reasoning,
        )

    def _render(self, target: Sequence[str], examples: Sequence[PoolExample], question: str) -> str:
        return self._template.render(
            models=target, examples=examples, question=question, guard=self._guard
        )

    def _blank(self, target: Sequence[str]) -> PoolExample:
        return PoolExample("", (ExampleOutcome(BLANK_TOKENS, True),) * len(target))

    def _name(self, target: Sequence[str]) -> str:
        return f"a pool of {len(target)} models"
