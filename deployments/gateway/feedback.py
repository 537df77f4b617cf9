"""Scores of decisions: each is counted once, by the replica that decided."""

from typing import NamedTuple

from deployments.gateway.request_log import RequestLog
from deployments.protocol import DecisionNotFoundError, OverloadedError, ScoreConflictError
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.requests import FeedbackBody

TIMEOUT_S = 2.0
"""Time limit of the question to the other replicas."""


class Feedback(NamedTuple):
    """A score as one replica tells it to the others."""

    client: str
    """Name of the API key; only the key that asked for a decision may score it."""
    decision_id: str
    score: float
    label: str | None = None
    """In whose place the score stands; None where the client sent a number."""
    comment: str | None = None


class FeedbackReceipt(NamedTuple):
    """What the replica that decided made of a score."""

    model: str | None
    p_correct: float | None
    score: float
    """The score that counts: the first one."""
    counted: bool
    """False where the decision had a score before."""


class FeedbackService:
    """Takes the scores of decisions of all replicas.

    Parameters
    ----------
    request_log : RequestLog
        Remembers the decisions of this replica.
    peers : RemoteMethod
        Takes a `Feedback`, and returns what `record` of every replica returns or raises.
    """

    def __init__(self, request_log: RequestLog, peers: RemoteMethod) -> None:
        self._request_log, self._peers = request_log, peers

    async def submit(self, client: str, body: FeedbackBody) -> FeedbackReceipt:
        """Count a score, wherever the decision was made.

        The first score of a decision counts. The same score again is accepted and not counted
        again, so that a client may retry.

        Raises
        ------
        DecisionNotFoundError
            If no replica remembers the decision, or another key asked for it.
        ScoreConflictError
            If the decision has another score.
        OverloadedError
            If a replica does not answer.
        """
        feedback = Feedback(client, body.decision_id, body.value, body.label, body.comment)
        receipt = self.record(feedback) or await self._ask_peers(feedback)
        if receipt.score != feedback.score:
            raise ScoreConflictError(
                f"score: decision {body.decision_id} has the score {receipt.score:g} already, "
                f"got {feedback.score:g}; the first score counts",
                "score",
            )
        return receipt

    def record(self, feedback: Feedback) -> FeedbackReceipt | None:
        """Count a score of a decision of this replica; None where it is not one of them."""
        decision = self._request_log.recent.get(feedback.decision_id, feedback.client)
        if decision is None:
            return None
        is_first = decision.score is None
        if decision.score is None:
            decision.score = feedback.score
            texts = {"label": feedback.label, "comment": feedback.comment}
            self._request_log.record_feedback(feedback.decision_id, decision, feedback.score, texts)
        return FeedbackReceipt(decision.model, decision.p_correct, decision.score, is_first)

    async def _ask_peers(self, feedback: Feedback) -> FeedbackReceipt:
        try:
            answers = await self._peers.call(feedback, timeout_s=TIMEOUT_S, slow_call_s=TIMEOUT_S)
        except RemoteCallError:
            raise _no_answer() from None
        receipts = [answer for answer in answers if isinstance(answer, FeedbackReceipt)]
        if receipts:
            return receipts[0]
        if any(answer is not None for answer in answers):  # an exception
            raise _no_answer()
        raise DecisionNotFoundError(
            f"decision_id: no decision {feedback.decision_id} of this API key is remembered; "
            "a decision can be scored for a day, while its Router replica runs",
            "decision_id",
        )


def _no_answer() -> OverloadedError:
    return OverloadedError("a replica of the Router did not answer; send the same score again")
