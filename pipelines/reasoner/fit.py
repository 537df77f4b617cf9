"""Find out what a reasoner's answers are worth: ask it about anchors whose outcomes are known."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import Dataset

from pipelines.cluster.session import ray_session
from pipelines.embedding.cached import to_fixed_size_list
from pipelines.reasoner.query import query_reasoner
from pipelines.reasoner.request import QueryBatch, QueryResult, ReasonerRun, ReasonerUsage
from pipelines.terminal import Stages
from scope.arrays import IntArray
from scope.bank import Bank, ReferencePopulation, content_digest
from scope.errors import BankError
from scope.evaluation import CrossValidatedGain
from scope.fusion import Blend, CalibratedReasoner, fit_blend
from scope.predictor import AnchorPredictor
from scope.sampling import hash_sample

BLOCK_ROWS = 512
"""Anchors in one block."""


@dataclass(frozen=True, slots=True)
class ReasonerFitReport:
    """What came of asking: how the answers are blended, what they gain, and what asking took."""

    blend: Blend
    gain: CrossValidatedGain
    tally: ReasonerUsage
    n_anchors: int
    n_failed: int
    first_error: str | None
    """Of an answer that did not come; None if all did."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it for a machine."""
        return {
            "weight": self.blend.weight,
            "length_weight": self.blend.length_weight,
            "log_loss": self.gain.to_json(),
            "anchors": self.n_anchors,
            "asked": self.tally.to_json(),
        }

    def __str__(self) -> str:
        lengths = f"the lengths it names have earned weight {self.blend.length_weight:.3g}"
        if self.blend.weight > 0:
            earned = f"the reasoner has earned weight {self.blend.weight:.3g}"
        else:
            earned = (
                "the reasoner has earned weight 0: its answers foretell correctness no better "
                "than the anchors alone"
            )
        nothing = "" if self.blend.informative_m.any() else "; it will not be asked"
        return f"{self.tally}\n{earned}: {self.gain}; {lengths}{nothing}"


def fit_reasoner(
    bank: Bank, path: Path, reasoner: ReasonerRun, n_asked: int, stages: Stages
) -> tuple[Bank, ReasonerFitReport]:
    """Return the bank with the blend that the reasoner has earned, and what that is worth.

    No anchor has a say in what is foretold of it: neither among the anchors, nor as an example
    to the reasoner. If answers count, the dial's population is that of the asked anchors.

    Parameters
    ----------
    bank : Bank
        With what was learned from its outcomes.
    path : Path
        The bank that it was learned from.
    reasoner : ReasonerRun
    n_asked : int
        Anchors to ask about, drawn by a hash of their ids.
    stages : Stages

    Raises
    ------
    BankError
        If more than half of the answers failed.
    ScopeError
        If asking fails altogether.
    """
    sample = np.array(hash_sample(bank.ids, n_asked), dtype=np.int64)
    asked = _query_sample(bank, path, sample, reasoner, stages)
    first_error = next(iter(asked.errors.values()), None)
    if 2 * len(asked.errors) > asked.usage.n_wanted:
        raise BankError(
            f"{len(asked.errors):,} of {asked.usage.n_wanted:,} answers failed, the first: "
            f"{first_error}; the bank cannot be calibrated by what is left"
        )
    stages.begin("blending")
    estimates, _ = AnchorPredictor(bank).predict(
        bank.embedding_ad[sample], bank.features_af[sample], sample
    )
    truth = bank.outcomes.select_questions(sample)
    known = (estimates.p_correct_qm, estimates.completion_tokens_qm)
    blend = fit_blend(*known, asked.answers, truth.correct_am, truth.completion_tokens_am)
    fitted = replace(bank, reasoner=CalibratedReasoner(reasoner.spec, blend))
    if blend.informative_m.any():
        blended = blend.apply(estimates, asked.answers, bank.models)
        population = ReferencePopulation(
            bank.anchor_config,
            blended.p_correct_qm,
            blended.prompt_tokens_qm,
            blended.completion_tokens_qm,
        )
        fitted = replace(fitted, reference=population)
    gain = CrossValidatedGain.from_predictions(estimates, asked.answers, truth, bank.models)
    return fitted, ReasonerFitReport(
        blend, gain, asked.usage, len(sample), len(asked.errors), first_error
    )


def _query_sample(
    bank: Bank, path: Path, sample: IntArray, reasoner: ReasonerRun, stages: Stages
) -> QueryResult:
    """Ask about the anchors of the sample every model whose outcome is known."""
    prompts = bank.require_prompts()
    inquiry = QueryBatch(
        [prompts[anchor] for anchor in sample],
        [bank.ids[anchor] for anchor in sample],
        ~np.isnan(bank.outcomes.correct_am[sample]),
        bank,
        content_digest(path),
    )
    with ray_session(stages):
        return query_reasoner(inquiry, _sample_dataset(bank, sample), None, reasoner, stages)


def _sample_dataset(bank: Bank, sample: IntArray) -> Dataset:
    """Return the anchors of the sample as blocks for a writer of prompts."""
    prompts, tables = bank.require_prompts(), list[Any]()
    for start in range(0, len(sample), BLOCK_ROWS):
        part = sample[start : start + BLOCK_ROWS]
        columns = {
            "row": np.arange(start, start + len(part)),
            "prompt": pa.array([prompts[anchor] for anchor in part], pa.string()),
            "embedding": to_fixed_size_list(bank.embedding_ad[part]),
            "self_anchor": part,
        }
        tables.append(ray.put(pa.table(columns)))
    return ray.data.from_arrow_refs(tables)
