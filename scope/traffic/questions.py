"""The distinct questions of logged requests."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from scope.routing import LoggedRequest


@dataclass(frozen=True, slots=True)
class TrafficQuestion:
    """One text that requests asked.

    Attributes
    ----------
    id : str
        Of the decision that stands for the others.
    text : str
        That was routed on.
    n_requests : int
        Requests with this text, at least 1; those that only add tool results do not count.
    session : str or None
        Mark of the session of the request that stands for the others.
    is_whole : bool or None
        Whether the text is all that the model got; None where the log does not tell.
    """

    id: str
    text: str = field(repr=False)
    n_requests: int
    session: str | None
    is_whole: bool | None


@dataclass(frozen=True, slots=True)
class TrafficQuestions:
    """The distinct questions in the order of their ids, and how many requests were read."""

    questions: tuple[TrafficQuestion, ...]
    n_read: int
    n_with_text: int

    @classmethod
    def from_requests(cls, requests: Iterable[LoggedRequest]) -> "TrafficQuestions":
        """Group requests whose texts differ at most in white space.

        A request whose text is all that the model got stands for the others, among equals the
        one with the first id.
        """
        groups, n_read = dict[str, list[LoggedRequest]](), 0
        for request in requests:
            n_read += 1
            if key := normalised(request.prompt or ""):
                groups.setdefault(key, []).append(_without_estimates(request))
        questions = sorted(map(_question, groups.values()), key=lambda question: question.id)
        return cls(tuple(questions), n_read, sum(map(len, groups.values())))


def normalised(text: str) -> str:
    r"""Return a text with every run of white space as one space.

    >>> normalised(" What is\n 2 + 2? ")
    'What is 2 + 2?'
    """
    return " ".join(text.split())


def _without_estimates(request: LoggedRequest) -> LoggedRequest:
    """Return the request without its candidates, which take 8 KB each."""
    return request.model_copy(update={"candidates": None})


def _question(group: list[LoggedRequest]) -> TrafficQuestion:
    first = min(group, key=lambda request: (not request.prompt_is_whole, request.id))
    n_requests = max(sum(not request.continues_turn for request in group), 1)
    text = first.prompt or ""
    return TrafficQuestion(first.id, text, n_requests, first.session, first.prompt_is_whole)
