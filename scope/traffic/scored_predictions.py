"""The scores of a decision log beside what was predicted for the answers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from scope.arrays import Float32Array
from scope.bank import Bank
from scope.embedding import AnchorIndex
from scope.errors import FormatError, join_names
from scope.routing import DecisionLogReader, LoggedRequest, LoggedScore, ScoreLogReader

UNPREDICTED = "answers without a prediction"
OTHER_BANK = "predictions of another bank"
REPEATED = "repeated scores"
UNTIMED = "scores without a time"
_OUT = "out of distribution"


class ScoredPrediction(NamedTuple):
    """One answer with its score.

    Attributes
    ----------
    time : datetime
        When the score came, UTC.
    model : str
        The model that answered.
    p_correct, score : float
        In [0, 1].
    prompt : str or None
        None where the log keeps no text, or has lost the decision.
    in_distribution : float or None
        Below 1 for a prompt that is unlike the anchors; None where it is unknown.
    """

    time: datetime
    model: str
    p_correct: float
    score: float
    prompt: str | None
    in_distribution: float | None


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """The scored answers that one bank predicted, in the order of their scores.

    Attributes
    ----------
    answers : tuple of ScoredPrediction
    bank : str or None
        Version of the bank; None where the log does not tell.
    left_out : Mapping of str to int
        Scores that are not among `answers`, by reason.
    n_truncated : int
        Files that end in a truncated line.
    """

    answers: tuple[ScoredPrediction, ...]
    bank: str | None
    left_out: Mapping[str, int]
    n_truncated: int

    @classmethod
    def read(cls, folder: Path, bank: str | None = None) -> "ScoredPredictions":
        """Read the scores of a decision log.

        A score whose decision is no longer in the log has model and prediction itself. Its bank is
        unknown, so that it is left out if the log names several banks.

        Parameters
        ----------
        folder : Path
            Decisions, and the scores beside them.
        bank : str, optional
            Version of the bank whose predictions are meant; default: that of the latest decision.

        Raises
        ------
        FormatError
            If a line cannot be read, the log does not name the bank, or no score is left.
        """
        if not folder.is_dir():
            raise FormatError(f"{folder} is not a folder; expected decisions, scores beside them")
        scores = ScoreLogReader(folder)
        first, repeated = dict[str, LoggedScore](), 0
        for _, score in scores:
            repeated += score.id in first
            first.setdefault(score.id, score)
        requests = DecisionLogReader(folder)
        matches, banks = _match(requests, first)
        if bank is None:
            bank = banks[-1] if banks else None
        elif bank not in banks:
            names = join_names(version[:12] for version in banks)
            raise FormatError(f"{folder} has no decision by bank {bank[:12]}; it has {names}")
        left_out, answers = Counter({REPEATED: repeated}), list[ScoredPrediction]()
        for name, score in first.items():
            answer = _answer(score, matches.get(name), None if len(banks) < 2 else bank)
            if isinstance(answer, str):
                left_out[answer] += 1
            else:
                answers.append(answer)
        if not answers:
            reasons = [f"{n:,} {reason}" for reason, n in left_out.items() if n]
            without = f" (left out: {', '.join(reasons)})" if reasons else ""
            raise FormatError(
                f"{folder} holds no score of a predicted answer{without}; clients send scores to "
                "POST /v1/feedback"
            )
        answers.sort(key=lambda answer: answer.time)
        n_truncated = scores.n_truncated + requests.n_truncated
        return cls(tuple(answers), bank, +left_out, n_truncated)

    def regions(self) -> tuple[str | None, ...]:
        """Return by answer whether its prompt is like the anchors; None where it is unknown."""
        return tuple(_distribution(answer.in_distribution) for answer in self.answers)

    def categories(
        self, bank: Bank, embed: Callable[[Sequence[str]], Float32Array]
    ) -> tuple[str | None, ...]:
        """Return by answer the category of the anchor nearest to its prompt, if it is like one.

        A prompt out of distribution has a nearest anchor, too, and nothing in common with it.

        Parameters
        ----------
        bank : Bank
        embed : callable
            Returns the unit vectors of texts, as the bank's embedder makes them.

        Returns
        -------
        tuple of (str or None)
            ``out of distribution`` for a prompt that is unlike the anchors; None where the log
            keeps no text.
        """
        regions = self.regions()
        prompts = [
            None if region == _OUT else answer.prompt
            for answer, region in zip(self.answers, regions, strict=True)
        ]
        texts = [text for text in dict.fromkeys(prompts) if text is not None]
        if not texts:
            return tuple(region if region == _OUT else None for region in regions)
        _, anchor_q1 = AnchorIndex(bank.embedding_ad).search(embed(texts), 1)
        category_of: dict[str | None, str] = {
            text: bank.categories[anchor]
            for text, anchor in zip(texts, anchor_q1[:, 0].tolist(), strict=True)
        }
        return tuple(
            region if region == _OUT else category_of.get(prompt)
            for prompt, region in zip(prompts, regions, strict=True)
        )


def _match(
    requests: DecisionLogReader, scores: Mapping[str, LoggedScore]
) -> tuple[dict[str, LoggedRequest], tuple[str, ...]]:
    """Return the requests with a score by id, and the banks of all, the latest last."""
    matches, latest = dict[str, LoggedRequest](), dict[str, datetime]()
    for _, request in requests:
        if request.bank is not None:
            at = request.time or datetime.min.replace(tzinfo=UTC)
            latest[request.bank] = max(at, latest.get(request.bank, at))
        if request.id in scores:
            matches[request.id] = request
    return matches, tuple(sorted(latest, key=lambda version: latest[version]))


def _answer(
    score: LoggedScore, request: LoggedRequest | None, bank: str | None
) -> ScoredPrediction | str:
    """Return the scored answer, or why it is left out; `bank` is None if any will do."""
    time = score.time or (request and request.time)
    if score.model is None or score.p_correct is None:
        return UNPREDICTED
    if bank is not None and (request is None or request.bank != bank):
        return OTHER_BANK
    if not time:
        return UNTIMED
    candidates = (request.candidates if request else None) or ()
    in_distribution = next((each.in_distribution for each in candidates), None)
    prompt = request.prompt if request else None
    return ScoredPrediction(
        time.astimezone(UTC), score.model, score.p_correct, score.score, prompt, in_distribution
    )


def _distribution(in_distribution: float | None) -> str | None:
    if in_distribution is None:
        return None
    return "in distribution" if in_distribution >= 1 else _OUT
