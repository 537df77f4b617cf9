"""Ask the reasoner about the questions of one request, each by a cascade of its own."""

import asyncio
import math
from functools import partial

import numpy as np

from deployments.inquiry import QueryScheduler, QuestionQuery
from deployments.prediction import eligible_prediction_set
from deployments.reasoner import EngineReasoner
from deployments.reasoning import ReasoningQuestion, ReasoningRequest, ReasoningResult
from scope.answers import ReasonerPrediction
from scope.bank import Bank
from scope.cascade import QueryRule, SelectiveQuery
from scope.pool import indices_of


async def answer_request(
    bank: Bank, reasoner: EngineReasoner, wanted: ReasoningRequest
) -> list[ReasoningResult]:
    """Return what asking comes to for each question; never fails for the engine's sake.

    Parameters
    ----------
    bank : Bank
        Calibrated for this reasoner.
    reasoner : EngineReasoner
    wanted : ReasoningRequest
    """
    # Of hundreds of questions this is hundreds of milliseconds of numpy.
    inquiries = await asyncio.to_thread(
        lambda: [_build_query(bank, reasoner, case, wanted) for case in wanted.cases]
    )
    await QueryScheduler(inquiries, at_once=wanted.at_once, timeout_s=wanted.timeout_s).run()
    return [
        _result(bank, inquiry, case) for inquiry, case in zip(inquiries, wanted.cases, strict=True)
    ]


def _build_query(
    bank: Bank, reasoner: EngineReasoner, case: ReasoningQuestion, wanted: ReasoningRequest
) -> QuestionQuery:
    assert bank.reasoner is not None  # checked before it started
    columns = _columns(bank, case)
    anchor_k = case.prediction.anchor_k
    tokens = reasoner.estimate_tokens(case.text, anchor_k, columns[0])
    cascade = SelectiveQuery(
        case.policy,
        bank.reasoner.blend.select_models(columns),
        eligible_prediction_set([case.prediction], bank, case.models).predictions.estimates,
        case.models,
        QueryRule(wanted.mode, query_cost_usd=tokens * wanted.usd_per_mtok / 1e6),
    )

    def known(m: int) -> ReasonerPrediction | None:
        return _known_answer(case, columns[m]) or reasoner.cached(case.text, columns[m])

    async def ask(m: int, timeout_s: float) -> ReasonerPrediction:
        slow_call_s = wanted.timeout_s / 2
        about = partial(reasoner.query, case.text, anchor_k, columns[m])
        return await about(timeout_s=timeout_s, slow_call_s=slow_call_s)

    return QuestionQuery(cascade, known, ask)


def _known_answer(case: ReasoningQuestion, column: int) -> ReasonerPrediction | None:
    """Return what the Router knows already."""
    answer_2m = case.prediction.reasoner_2m
    if answer_2m is None or math.isnan(answer_2m[0, column]):
        return None
    return ReasonerPrediction(*answer_2m[:, column].tolist())


def _result(bank: Bank, inquiry: QuestionQuery, case: ReasoningQuestion) -> ReasoningResult:
    columns = _columns(bank, case)
    answer_2m = np.full((2, len(bank.models)), np.nan)
    for m, answer in inquiry.answers.items():
        answer_2m[:, columns[m]] = answer.p_yes, answer.tokens
    return ReasoningResult(
        answer_2m,
        inquiry.n_queries,
        inquiry.cascade.n_avoided,
        inquiry.cancelled,
        len(inquiry.failed),
        inquiry.incomplete_reason or next(iter(inquiry.failed), None),
    )


def _columns(bank: Bank, case: ReasoningQuestion) -> list[int]:
    return indices_of(tuple(model.id for model in case.models), bank.model_ids, "the bank")
