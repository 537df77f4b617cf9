"""Ask the reasoner about the questions of one request, each by a cascade of its own."""

import asyncio
import math
from functools import partial

import numpy as np

from deployments.inquiry import Inquiries, Inquiry
from deployments.prediction import offered
from deployments.reasoner import Reasoner
from deployments.reasoning import Case, Consultation, Opinion
from scope.answers import Answer
from scope.bank import Bank
from scope.cascade import Asking, Cascade
from scope.pool import positions


async def opinions(bank: Bank, reasoner: Reasoner, wanted: Consultation) -> list[Opinion]:
    """Return what asking comes to for each question; never fails for the engine's sake.

    Parameters
    ----------
    bank : Bank
        Calibrated for this reasoner.
    reasoner : Reasoner
    wanted : Consultation
    """
    # Of hundreds of questions this is hundreds of milliseconds of numpy.
    inquiries = await asyncio.to_thread(
        lambda: [_inquiry(bank, reasoner, case, wanted) for case in wanted.cases]
    )
    await Inquiries(inquiries, at_once=wanted.at_once, within_s=wanted.within_s).run()
    return [
        _opinion(bank, inquiry, case) for inquiry, case in zip(inquiries, wanted.cases, strict=True)
    ]


def _inquiry(bank: Bank, reasoner: Reasoner, case: Case, wanted: Consultation) -> Inquiry:
    assert bank.reasoner is not None  # checked before it started
    columns = _columns(bank, case)
    anchor_k = case.prediction.anchor_k
    tokens = reasoner.tokens(case.text, anchor_k, columns[0])
    cascade = Cascade(
        case.policy,
        bank.reasoner.blend.columns(columns),
        offered([case.prediction], bank, case.models).predictions.estimates,
        case.models,
        Asking(wanted.mode, ask_usd=tokens * wanted.usd_per_mtok / 1e6),
    )

    def known(m: int) -> Answer | None:
        return _answer(case, columns[m]) or reasoner.known(case.text, columns[m])

    async def ask(m: int, within_s: float) -> Answer:
        patience_s = wanted.within_s / 2
        about = partial(reasoner.ask, case.text, anchor_k, columns[m])
        return await about(within_s=within_s, patience_s=patience_s)

    return Inquiry(cascade, known, ask)


def _answer(case: Case, column: int) -> Answer | None:
    """Return what the Router knows already."""
    answer_2m = case.prediction.answer_2m
    if answer_2m is None or math.isnan(answer_2m[0, column]):
        return None
    return Answer(*answer_2m[:, column].tolist())


def _opinion(bank: Bank, inquiry: Inquiry, case: Case) -> Opinion:
    columns = _columns(bank, case)
    answer_2m = np.full((2, len(bank.models)), np.nan)
    for m, answer in inquiry.answers.items():
        answer_2m[:, columns[m]] = answer.p_yes, answer.tokens
    return Opinion(
        answer_2m,
        inquiry.asked,
        inquiry.cascade.saved,
        inquiry.cancelled,
        len(inquiry.failed),
        inquiry.left or next(iter(inquiry.failed), None),
    )


def _columns(bank: Bank, case: Case) -> list[int]:
    return positions(tuple(model.id for model in case.models), bank.model_ids, "the bank")
