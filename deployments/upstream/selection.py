"""Choose one of several answers: by a reward model, else by the majority of final answers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from deployments.protocol import SelectionRequest
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from scope.questions import final_answer


class SampleChoice(NamedTuple):
    """The choice of one answer.

    Attributes
    ----------
    position : int
        Of the chosen answer among those given.
    selector : str
        As in `SampleReport`.
    scores : tuple of float or None
        Of the reward model; NaN where it could not score an answer.
    degraded : str or None
        Why the reward model did not choose.
    """

    position: int
    selector: str
    scores: tuple[float, ...] | None = None
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class SampleSelector:
    """Chooses the best of several answers.

    Attributes
    ----------
    reward : RemoteMethod or None
        `Selector.score`; None: the majority decides.
    """

    reward: RemoteMethod | None = None

    async def choose(self, prompt: str, texts: Sequence[str], *, timeout_s: float) -> SampleChoice:
        """Return the best of several answers; never fails.

        Parameters
        ----------
        prompt : str
        texts : sequence of str
            The answers, at least one.
        timeout_s : float
            Time limit of the reward model; after it the majority decides.
        """
        if len(texts) == 1:
            return SampleChoice(0, "only")
        if self.reward is None:
            return choose_by_majority(prompt, texts)
        try:
            if timeout_s <= 0:
                raise RemoteCallError("selector", "late")
            scores: list[float] = await self.reward.call(
                SelectionRequest(prompt, list(texts)), timeout_s=timeout_s, slow_call_s=timeout_s
            )
            if len(scores) != len(texts) or all(map(math.isnan, scores)):
                raise RemoteCallError("selector", "broken")
        except RemoteCallError as error:
            return choose_by_majority(prompt, texts)._replace(degraded=error.reason)
        best = max(range(len(texts)), key=lambda index: _score_or_lowest(scores[index]))
        return SampleChoice(best, "reward", tuple(scores))


def choose_by_majority(prompt: str, texts: Sequence[str]) -> SampleChoice:
    """Return the first answer whose final answer is the most frequent one.

    Where no two agree the first answer that is not empty is chosen.
    """
    finals = [final_answer(text, prompt) for text in texts]
    counts = Counter(final for final in finals if final)
    if not counts:
        return SampleChoice(0, "first")
    final, n = counts.most_common(1)[0]  # of equals the first
    return SampleChoice(finals.index(final), "majority" if n > 1 else "first")


def reply_text(completion: Mapping[str, Any]) -> str:
    """Return the text of a completion's first choice; its tool calls follow."""
    message = completion["choices"][0]["message"]
    content = message.get("content") if isinstance(message, Mapping) else None
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    parts = [content] if isinstance(content, str) else []
    return "\n".join([*parts, *([repr(calls)] if calls else [])])


def prompt_text(messages: Sequence[Any]) -> str:
    """Return the text that answers are judged against: one message alone, else with roles.

    Examples
    --------
    >>> prompt_text([{"role": "user", "content": "2+2?"}])
    '2+2?'
    >>> print(prompt_text(2 * [{"role": "user", "content": "2+2?"}]))
    user: 2+2?
    <BLANKLINE>
    user: 2+2?
    """
    texts = [(message.get("role"), _content_text(message.get("content"))) for message in messages]
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in texts if text)


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")


def _score_or_lowest(score: float) -> float:
    return -math.inf if math.isnan(score) else score
