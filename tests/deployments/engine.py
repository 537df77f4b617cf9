"""An engine in this process, which says of every model what a hash of the question says."""

import asyncio
import hashlib
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol.messages import Prediction, stack_estimates
from deployments.replicas.reasoner import Continuation
from scope.fusion.blend import Blend
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.policy.policy import ExpectedValue, MaxCost, MinQuality
from scope.predictions import COLUMNS
from scope.reasoner.answers import ReasonerPredictions
from scope.reasoner.spec import ReasonerSpec
from scope.reasoner.tokenizer import PromptTokenizer

POLICIES = [
    pytest.param({"alpha": 0.0}, id="cheapest"),
    pytest.param({"alpha": 0.6}, id="alpha"),
    pytest.param({"alpha": 1.0}, id="highest p"),
    pytest.param({"min_quality": 0.7}, id="min quality"),
    pytest.param({"max_cost_usd": 0.001}, id="max cost"),
]
"""As clients wish them."""
POOL_LINE = re.compile(r"^Model \d+: (.*)$", re.MULTILINE)


class Engine:
    """Continues prompts under the grammar, as vLLM would, at a chosen pace.

    Attributes
    ----------
    queried, cancelled : list of (question, model)
        With prompts about a pool, of its models as one text, a line each.
    most : int
        Calls that were under way at once.
    slow : set of str
        Models about which it never says anything.
    pace_s : float
        How long an answer takes.
    failing : Exception or None
        What it does instead of answering.
    """

    def __init__(self, checkpoint):
        tokens = PromptTokenizer.load(str(checkpoint))
        self._yes, self._no = tokens.yes_id, tokens.no_id
        self.queried, self.cancelled, self.slow, self.failing = [], [], set(), None
        self.pace_s = self.under_way = self.most = 0

    async def complete(self, wanted):
        """Answer, or fail, or stay silent until the caller disconnects."""
        pool = POOL_LINE.findall(wanted.prompt)
        model = "\n".join(pool) or _section(wanted.prompt, "Target Model")
        question = _section(wanted.prompt, "Target Question")
        self.queried.append((question, model))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.failing is not None:
                raise self.failing
            await asyncio.sleep(math.inf if model in self.slow else self.pace_s)
        except asyncio.CancelledError:
            self.cancelled.append((question, model))
            raise
        finally:
            self.under_way -= 1
        return [self._reply(*[simulated_answer(question, one) for one in pool or [model]])]

    def _reply(self, *answers):
        lines, token_ids, logprobs = [], [], []
        for number, (p_yes, tokens) in enumerate(answers, 1):
            begin = f"\n{number}: {{len:" if number > 1 else ""
            lines.append(f"{begin} {tokens}, correct: {'yes' if p_yes >= 0.5 else 'no'}}}")
            token_ids += [0, self._yes if p_yes >= 0.5 else self._no, 0]
            there = {self._yes: math.log(p_yes), self._no: math.log(1 - p_yes)}
            logprobs += [{0: 0.0}, there, {0: 0.0}]
        return Continuation("".join(lines), token_ids, logprobs)


def simulated_answer(question, model):
    """The simulated answer about a model: probability of yes, and tokens."""
    digest = hashlib.sha256(f"{question}|{model}".encode()).digest()
    return 0.02 + 0.96 * digest[0] / 255, 20 + 10 * digest[1]


def with_all_answers(bank, prompt, decision):
    """What the policy of a decision chooses once the answers about all models are blended in.

    Parameters
    ----------
    decision : dict
        That of the anchors alone, about all models of the bank.

    Returns
    -------
    str, ndarray
        The chosen model, and the probability of each.
    """
    rows = [[one[name] for name in COLUMNS] for one in decision["candidates"]]
    value_em, no_anchors = np.array(rows, dtype=float).T, np.zeros(0)
    estimates = stack_estimates([Prediction(value_em, no_anchors, no_anchors.astype(int))])
    answers = [simulated_answer(prompt, model) for model in bank.model_ids]
    p_yes_qm, tokens_qm = np.array(answers).T[:, None, :]
    blended = bank.reasoner.blend.apply(
        estimates, ReasonerPredictions(p_yes_qm, tokens_qm), bank.models
    )
    policy = _policy(decision["settings"])
    (m,) = policy.choose(blended.p_correct_qm, blended.cost_usd_qm).model_q
    return bank.model_ids[m], blended.p_correct_qm[0]


def _policy(settings):
    if "min_quality" in settings:
        return MinQuality(settings["min_quality"])
    if "max_cost_usd" in settings:
        return MaxCost(settings["max_cost_usd"])
    trade_off = settings["trade_off"]
    return ExpectedValue(np.inf if trade_off is None else trade_off)


def _section(prompt, name):
    return prompt.split(f"## {name}\n")[1].split("\n\n##")[0].strip()


def taught(bank, args, *, weight=1.0, length_weight=0.5):
    """The bank with texts, and with what this reasoner's answers are worth."""
    n_models = len(bank.models)
    blend = Blend(
        weight=weight,
        slope=1.0,
        baseline_log_odds_m=np.zeros(n_models),
        low=-4.0,
        high=4.0,
        length_weight=length_weight,
        baseline_log_ratio_m=np.zeros(n_models),
        shift_std=1.0,
        ratio_std=0.5,
    )
    prompts = tuple(f"What is the {kind} of case {n}?" for n, kind in enumerate(bank.categories))
    return replace(
        bank, prompts=prompts, reasoner=CalibratedReasoner(ReasonerSpec.from_config(args), blend)
    )
