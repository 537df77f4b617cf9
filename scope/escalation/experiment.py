"""One call against one call and perhaps a second, learned on anchors and judged on questions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.errors import EvaluationError
from scope.escalation.policy import Escalation
from scope.escalation.reply_length import ReplyLengths
from scope.evaluation import (
    EvaluationSet,
    Interval,
    Oracle,
    RandomMixtures,
    ResampledOutcomes,
    Table,
    TableCell,
    WeightedPairs,
    auc,
    bootstrap_weights,
    format_metric,
    format_points,
    format_share,
    hash_folds,
    lambda_grid,
    log_budgets,
    percent,
    safe_ratio,
)
from scope.policy import Hulls
from scope.predictions import Estimates, Predictions
from scope.predictor import AnchorPredictor, out_of_fold_probabilities
from scope.routing import GroundTruth

N_SETTINGS = 48
"""Trade-offs in the range of one call, and as many beyond it, of each of the two policies."""
WIDER = 100.0
"""How far beyond. A second call can gain more for a USD than any first one: the reply has shown
a wrong answer."""
N_SHOWN = 3
"""Models with a row of their own: those that are asked first most often."""
NO_AGREEMENT = (
    "The agreement of two models is left out: a bank records which answers are right, not what "
    "they say, so that two wrong answers cannot be told apart from two equal ones."
)


@dataclass(frozen=True, slots=True)
class ReplyInformation:
    """What a model's reply length says of its own correctness.

    Attributes
    ----------
    model : str
    asked_first : float
        Share of questions and trade-offs at which it is asked first, in [0, 1].
    auc_before, auc_after : Interval
        Of its forecast, and of the forecast that has seen the length of its reply.
    """

    model: str
    asked_first: float
    auc_before: Interval
    auc_after: Interval


@dataclass(frozen=True, slots=True)
class EscalationResult:
    """Escalation by reply length against one call a question, on the same questions.

    Attributes
    ----------
    n_anchors, n_questions : int
        Learned on, judged on.
    one_call, escalated : Interval
        Oracle gap closed: of the way from the best random mixture of single models to the
        oracle that makes one call; settings are chosen on other questions, as everywhere.
    difference : Interval
        The second minus the first, on the same resamples.
    second_calls : float
        Share of questions and trade-offs with a second call, in [0, 1].
    replies : tuple of ReplyInformation
        Of all models, by how often they are asked first.
    """

    n_anchors: int
    n_questions: int
    one_call: Interval
    escalated: Interval
    difference: Interval
    second_calls: float
    replies: tuple[ReplyInformation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers; undefined ones are null."""
        return {
            "n_anchors": self.n_anchors,
            "n_questions": self.n_questions,
            "one_call": self.one_call.to_json(),
            "escalated": self.escalated.to_json(),
            "difference": self.difference.to_json(),
            "second_calls": self.second_calls,
            "replies": [
                {
                    "model": reply.model,
                    "asked_first": reply.asked_first,
                    "auc_before": reply.auc_before.to_json(),
                    "auc_after": reply.auc_after.to_json(),
                }
                for reply in self.replies
            ],
        }


def measure_escalation(
    bank: Bank, test_set: EvaluationSet, predictions: Predictions, seed: int = 0
) -> EscalationResult:
    """Learn on the anchors when to ask a second model, and judge it on the questions.

    Parameters
    ----------
    bank : Bank
    test_set : EvaluationSet
    predictions : Predictions
        Ours, for every question of the test set.
    seed : int
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        If a model has no forecast on a question.
    """
    kept_q = test_set.complete_q
    estimates = predictions.estimates.select_questions(kept_q)
    if np.isnan(estimates.p_correct_qm + estimates.cost_usd_qm).any():
        raise EvaluationError("--escalate needs a forecast of every model on every question")
    # One thread sums in one order on any machine.
    with threadpool_limits(1):
        lengths, n_anchors = _learn(bank)
        surprise_qm = lengths.surprise(
            test_set.completion_tokens_qm[kept_q], estimates.completion_tokens_qm
        )
        outcomes = ResampledOutcomes.from_outcomes(
            test_set.truth.correct_qm[kept_q],
            test_set.truth.cost_usd_qm[kept_q],
            bootstrap_weights(int(kept_q.sum()), seed),
            hash_folds(test_set.complete_ids),
        )
        return _compare(bank.model_ids, estimates, surprise_qm, lengths, outcomes, n_anchors)


def _learn(bank: Bank) -> tuple[ReplyLengths, int]:
    """Fit on every anchor that the forecaster knows, or on all, each forecast without itself."""
    n = bank.forecaster.anchor_index_n if bank.forecaster else np.arange(len(bank.ids))
    estimates, _ = AnchorPredictor(bank).predict(
        bank.embedding_ad[n], bank.features_af[n], n, second_qy=bank.second_vectors(n)
    )
    p_nm = out_of_fold_probabilities(bank) if bank.forecaster else estimates.p_correct_qm
    correct_am = GroundTruth.from_outcomes(bank.outcomes, bank.models).correct_qm
    tokens_nm = bank.outcomes.completion_tokens_am[n]
    return ReplyLengths.fit(p_nm, correct_am[n], tokens_nm, estimates.completion_tokens_qm), len(n)


def _compare(
    models: tuple[str, ...],
    estimates: Estimates,
    surprise_qm: FloatArray,
    lengths: ReplyLengths,
    outcomes: ResampledOutcomes,
    n_anchors: int,
) -> EscalationResult:
    p_qm, usd_qm = estimates.p_correct_qm, estimates.cost_usd_qm
    hulls = Hulls.from_estimates(p_qm, usd_qm)
    finite_t = trade_offs(hulls)
    one_qt = np.stack([hulls.choose(value) for value in finite_t], axis=1)
    first_qt, last_qt = Escalation(p_qm, usd_qm, surprise_qm, lengths).choices(finite_t)
    budgets = log_budgets(outcomes.mean_usd_rm)
    one_r, escalated_r = (
        outcomes.best_within_budget(
            bill(outcomes.cost_usd_qm, asked_qt, answer_qt),
            np.take_along_axis(outcomes.correct_qm, answer_qt, axis=1),
            budgets,
        ).area_r()
        for asked_qt, answer_qt in ((one_qt, one_qt), (first_qt, last_qt))
    )
    mixture_r, oracle_r = (
        strategy.evaluate_at(outcomes, budgets).area_r()
        for strategy in (RandomMixtures(), Oracle())
    )
    gap_r = oracle_r - mixture_r
    replies = [
        ReplyInformation(
            model,
            float((first_qt == m).mean()),
            _auc(p_qm[:, m], outcomes, m),
            _auc(lengths.update(p_qm, m, surprise_qm[:, m])[:, m], outcomes, m),
        )
        for m, model in enumerate(models)
    ]
    return EscalationResult(
        n_anchors,
        len(p_qm),
        Interval.from_replicates(safe_ratio(one_r - mixture_r, gap_r)),
        Interval.from_replicates(safe_ratio(escalated_r - mixture_r, gap_r)),
        Interval.from_replicates(safe_ratio(escalated_r - one_r, gap_r)),
        float((last_qt != first_qt).mean()),
        tuple(sorted(replies, key=lambda reply: -reply.asked_first)),
    )


def bill(cost_usd_qm: FloatArray, first_qt: IntArray, last_qt: IntArray) -> FloatArray:
    """Return the cost of the first call, and of the second where there is one.

    Examples
    --------
    >>> usd, first, last = np.array([[1.0, 10.0]]), np.array([[0, 0]]), np.array([[0, 1]])
    >>> bill(usd, first, last)
    array([[ 1., 11.]])
    """
    first_usd_qt, last_usd_qt = (
        np.take_along_axis(cost_usd_qm, model_qt, axis=1) for model_qt in (first_qt, last_qt)
    )
    total_qt: FloatArray = first_usd_qt + np.where(last_qt != first_qt, last_usd_qt, 0.0)
    return total_qt


def trade_offs(hulls: Hulls) -> FloatArray:
    """Return the finite lambdas that both policies are swept over, falling to 0."""
    finite_t = lambda_grid(hulls, N_SETTINGS)[1:]
    if not finite_t[0]:
        return finite_t
    beyond_t = np.geomspace(np.median(finite_t[finite_t > 0]), WIDER * finite_t[0], N_SETTINGS)
    return np.unique([*finite_t, *beyond_t])[::-1]


def _auc(p_q: FloatArray, outcomes: ResampledOutcomes, m: int) -> Interval:
    cells = WeightedPairs.from_forecasts(
        p_q[:, None], outcomes.correct_qm[:, [m]], outcomes.weight_rq
    )
    return Interval.from_replicates(auc(cells))


def escalation_table(result: EscalationResult) -> Table:
    """Return the comparison, and AUC before and after a reply of the models asked first."""
    rows = [
        ("one call: oracle gap closed %", "", format_share(result.one_call)),
        ("perhaps a second call", "", format_share(result.escalated)),
        ("difference, points", "", format_points(result.difference)),
        ("questions with a second call", "", percent(result.second_calls)),
    ]
    rows += [
        (
            f"AUC of {reply.model}",
            format_metric(reply.auc_before),
            format_metric(reply.auc_after),
        )
        for reply in result.replies[:N_SHOWN]
    ]
    mean_before, mean_after = (
        float(np.nanmean([getattr(reply, name).value for reply in result.replies]))
        for name in ("auc_before", "auc_after")
    )
    rows.append(("AUC, mean of all models", f"{mean_before:.3f}", f"{mean_after:.3f}"))
    notes = [""] * 4 + [f"asked first: {percent(r.asked_first)}" for r in result.replies[:N_SHOWN]]
    title = (
        f"Escalation by reply length, learned on {result.n_anchors:,} anchors, judged on "
        f"{result.n_questions:,} questions"
    )
    headers = ("", "before a reply", "after it")
    cells = [
        (TableCell(name, note), TableCell(before), TableCell(after))
        for (name, before, after), note in zip(rows, [*notes, ""], strict=True)
    ]
    return Table(title, headers, tuple(cells))
