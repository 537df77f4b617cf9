"""The prompt of the reasoner: a template filled, and cut to what its context holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from scope.errors import ConfigError
from scope.reasoner.reply import FORCED_PREFIX
from scope.reasoner.spec import ReasonerConfig, Reasoning
from scope.reasoner.template import Example, Template
from scope.reasoner.tokenizer import PromptTokenizer

MIN_EXAMPLE_TOKENS = 48
"""An example is not cut below this; rather the farthest is left out."""


@dataclass(frozen=True, slots=True)
class TokenAllocation:
    """Tokens that each text may take.

    Attributes
    ----------
    examples : tuple of int
        Of each example kept, nearest first.
    question : int
    """

    examples: tuple[int, ...]
    question: int


def allocate_tokens(
    example_tokens: Sequence[int], question_tokens: int, room: Sequence[int]
) -> TokenAllocation:
    """Share the room of a prompt.

    The question is kept whole as long as it can be. Examples shrink first, the longest first,
    to one common length of at least `FLOOR_TOKENS`; where that is not enough, the farthest are
    left out; only without any is the question cut.

    Parameters
    ----------
    example_tokens : sequence of int
        Lengths of the examples, nearest first.
    question_tokens : int
    room : sequence of int
        ``room[n]`` tokens are there for the texts of n examples and the question.

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
        left = room[n] - question_tokens
        if left >= sum(min(tokens, MIN_EXAMPLE_TOKENS) for tokens in nearest):
            longest = water_fill(nearest, left)
            return TokenAllocation(
                tuple(min(tokens, longest) for tokens in nearest), question_tokens
            )
    return TokenAllocation((), max(min(question_tokens, room[0]), 0))


def water_fill(lengths: Sequence[int], room: int) -> int:
    """Return the largest whole length to which all may be cut so that they fit into `room`.

    Examples
    --------
    >>> water_fill([10, 50, 60], 90)
    40
    """
    left, n_left = room, len(lengths)
    for length in sorted(lengths):
        if length * n_left > left:
            return left // n_left
        left, n_left = left - length, n_left - 1
    return max(lengths, default=0)


class PromptBuilder:
    """Writes prompts that fit a context.

    Parameters
    ----------
    template : Template
    tokens : PromptTokenizer
        Of the checkpoint that will read them.
    max_tokens : int
        Of the longest prompt.
    reasoning : {"full", "short", "none"}
        With ``none`` the prompt ends in the beginning of the reply.
    """

    def __init__(
        self, template: Template, tokens: PromptTokenizer, *, max_tokens: int, reasoning: Reasoning
    ) -> None:
        self._template, self._tokens = template, tokens
        self._guard = template.guard(tokens.special_tokens)
        self._max_tokens = max_tokens
        self._prefix = FORCED_PREFIX if reasoning == "none" else ""

    @classmethod
    def from_config(cls, config: ReasonerConfig, tokens: PromptTokenizer) -> Self:
        """Return the writer for a reasoner whose checkpoint has these tokens.

        Raises
        ------
        ConfigError
            If its template cannot be used, or replies leave no room for a prompt.
        """
        return cls(
            Template.load(config.template),
            tokens,
            max_tokens=config.max_prompt_tokens,
            reasoning=config.reasoning,
        )

    def build(self, model: str, examples: Sequence[Example], question: str) -> str:
        """Return the whole text for the engine: the user's turn, and how the reply begins.

        It has at most `max_tokens` tokens: where texts are too long, examples shrink first,
        then the farthest are left out, then the question is cut.

        Raises
        ------
        ConfigError
            If not even the template without texts fits.
        """
        text = self._rendered(model, examples, question)
        if self._overflow(text) <= 0:
            return text
        room = self._token_budgets(model, len(examples))
        # Guarded first: what is cut then has about as many tokens in the prompt as by itself.
        examples = [replace(one, question=self._guard.sanitise(one.question)) for one in examples]
        question = self._guard.sanitise(question)
        lengths = [self._tokens.count(example.question) for example in examples]
        asked, spare = self._tokens.count(question), 0
        while True:
            plan = allocate_tokens(lengths, asked, [tokens - spare for tokens in room])
            text = self._rendered(model, *self._truncate(plan, examples, question))
            excess = self._overflow(text)
            if excess <= 0:
                return text
            # Parts may have more tokens than they had in the whole. Doubling ends soon, at the
            # latest without any text, which was seen to fit.
            spare = max(spare + excess, 2 * spare)

    def _token_budgets(self, model: str, n_examples: int) -> list[int]:
        """Return the tokens left for texts beside the frame of 0, 1, … examples."""
        blank = Example("", 99_999.0, True)
        room = [
            -self._overflow(self._rendered(model, [blank] * n, "")) for n in range(n_examples + 1)
        ]
        if room[0] < 0:
            raise ConfigError(
                f"the prompt of {model!r:.80} has {self._max_tokens - room[0]} tokens without any "
                f"question, but at most {self._max_tokens} are allowed; raise max_context_tokens"
            )
        return room

    def _truncate(
        self, plan: TokenAllocation, examples: Sequence[Example], question: str
    ) -> tuple[list[Example], str]:
        kept = [
            replace(example, question=self._tokens.truncate_middle(example.question, n))
            for example, n in zip(examples, plan.examples, strict=False)
        ]
        return kept, self._tokens.truncate_middle(question, plan.question)

    def _rendered(self, model: str, examples: Sequence[Example], question: str) -> str:
        text = self._template.render(
            model=model, examples=examples, question=question, guard=self._guard
        )
        return self._tokens.apply_chat_template(text, self._prefix)

    def _overflow(self, text: str) -> int:
        """Return by how many tokens `text` is too long."""
        return self._tokens.count(text) + self._tokens.n_special_tokens - self._max_tokens
