"""An engine in this process, which says of every model what a hash of the question says."""

import asyncio
import hashlib
import math
from dataclasses import replace

import numpy as np

from deployments.replicas.reasoner import Continuation
from scope.fusion.blend import Blend
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.reasoner.spec import ReasonerSpec
from scope.reasoner.tokenizer import PromptTokenizer


class Engine:
    """Continues prompts under the grammar, as vLLM would, at a chosen pace.

    Attributes
    ----------
    queried, cancelled : list of (question, model)
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
        model = _section(wanted.prompt, "Target Model")
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
        return [self._reply(*simulated_answer(question, model))]

    def _reply(self, p_yes, tokens):
        answer = self._yes if p_yes >= 0.5 else self._no
        text = f" {tokens}, correct: {'yes' if p_yes >= 0.5 else 'no'}}}"
        there = {self._yes: math.log(p_yes), self._no: math.log(1 - p_yes)}
        return Continuation(text, [0, answer, 0], [{0: 0.0}, there, {0: 0.0}])


def simulated_answer(question, model):
    """The simulated answer about a model: probability of yes, and tokens."""
    digest = hashlib.sha256(f"{question}|{model}".encode()).digest()
    return 0.02 + 0.96 * digest[0] / 255, 20 + 10 * digest[1]


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
