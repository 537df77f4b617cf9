"""Fit the weight of a reasoner: query it about anchors and compare with their outcomes."""

from collections.abc import Collection
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
from scope.evaluation import AnswerQuality
from scope.fusion import MIN_QUESTIONS, Blend, CalibratedReasoner, fit_blend
from scope.predictor import AnchorPredictor
from scope.reasoner import TrainingRecord
from scope.sampling import hash_sample

BLOCK_ROWS = 512
"""Anchors per block."""


@dataclass(frozen=True, slots=True)
class ReasonerFitReport:
    """The fitted blend, the cross-validated quality of the answers, and what they took."""

    blend: Blend
    quality: AnswerQuality
    usage: ReasonerUsage
    n_anchors: int
    n_failed: int
    n_trained: int
    """Anchors left out because the checkpoint was trained on their outcomes."""
    first_error: str | None
    """Error of the first failed query; None if none failed."""

    def to_json(self) -> dict[str, Any]:
        """Return weights, log loss and usage."""
        return {
            "weight": self.blend.weight,
            "length_weight": self.blend.length_weight,
            "quality": self.quality.to_json(),
            "n_anchors": self.n_anchors,
            "n_trained": self.n_trained,
            "usage": self.usage.to_json(),
        }

    def __str__(self) -> str:
        weight = f"the reasoner has weight {self.blend.weight:.3g}"
        if self.blend.weight <= 0:
            weight = (
                "the reasoner has weight 0: its answers predict correctness no better than the "
                "anchors alone"
            )
        left_out = (
            f"left out {self.n_trained:,} anchors that the checkpoint was trained on\n"
            if self.n_trained
            else ""
        )
        unused = "" if self.blend.informative_m.any() else "; it will not be queried"
        return (
            f"{left_out}{self.usage}\n{weight}: {self.quality}; its length estimates have weight "
            f"{self.blend.length_weight:.3g}{unused}"
        )


@dataclass(frozen=True, slots=True)
class AnchorSample:
    """Anchors to query a reasoner about.

    Attributes
    ----------
    anchors : ndarray of int, shape (n_sampled,)
        Indices in the bank.
    n_trained : int
        Anchors left out because the checkpoint was trained on their outcomes.
    """

    anchors: IntArray
    n_trained: int

    @classmethod
    def draw(
        cls, bank: Bank, checkpoint: str, n_anchors: int, held_out: Collection[str] | None = None
    ) -> "AnchorSample":
        """Return a sample, by a hash of ids, of the anchors that training has not seen.

        Parameters
        ----------
        bank : Bank
        checkpoint : str
            Of the reasoner.
        n_anchors : int
            Most anchors to sample.
        held_out : collection of str, optional
            Sample among the anchors with these texts only.

        Raises
        ------
        BankError
            If too few anchors are left for a fit.
        """
        prompts, record = bank.require_prompts(), TrainingRecord.read(checkpoint)
        seen = record.seen(prompts) if record else [False] * len(prompts)
        left = [
            anchor
            for anchor, text in enumerate(prompts)
            if not seen[anchor] and (held_out is None or text in held_out)
        ]
        if len(left) < MIN_QUESTIONS:
            raise BankError(
                f"{len(left):,} of the {len(prompts):,} anchors were no part of the training of "
                f"{checkpoint!r} and are in the hold-out; expected at least {MIN_QUESTIONS}, so "
                "make its training data with a larger share of the hold-out"
            )
        sampled = hash_sample([bank.ids[anchor] for anchor in left], n_anchors)
        return cls(np.array(left, dtype=np.int64)[sampled], sum(seen))


def fit_reasoner(
    bank: Bank, path: Path, reasoner: ReasonerRun, sample: AnchorSample, stages: Stages
) -> tuple[Bank, ReasonerFitReport]:
    """Return the bank with the fitted blend of its forecasts and the reasoner's answers.

    Each sampled anchor is predicted without its own outcome, and is no example in its own
    prompts. If the answers have a weight, the reference population becomes that of the sample.

    Parameters
    ----------
    bank : Bank
        Fitted to its outcomes.
    path : Path
        Folder of the bank before it was fitted.
    reasoner : ReasonerRun
    sample : AnchorSample
    stages : Stages

    Raises
    ------
    BankError
        If more than half of the answers failed.
    ScopeError
        If no query can be sent.
    """
    anchors = sample.anchors
    result = _query_sample(bank, path, anchors, reasoner, stages)
    first_error = next(iter(result.errors.values()), None)
    if 2 * len(result.errors) > result.usage.n_requested:
        raise BankError(
            f"{len(result.errors):,} of {result.usage.n_requested:,} answers failed, the first: "
            f"{first_error}; the rest is too little to fit a weight"
        )
    stages.begin("blending")
    estimates, _ = AnchorPredictor(bank).predict(
        bank.embedding_ad[anchors],
        bank.features_af[anchors],
        anchors,
        second_qy=bank.second_vectors(anchors),
    )
    truth = bank.outcomes.select_questions(anchors)
    forecast = (estimates.p_correct_qm, estimates.completion_tokens_qm)
    blend = fit_blend(*forecast, result.answers, truth.correct_am, truth.completion_tokens_am)
    fitted = replace(bank, reasoner=CalibratedReasoner(reasoner.spec, blend))
    if blend.informative_m.any():
        blended = blend.apply(estimates, result.answers, bank.models)
        population = ReferencePopulation(
            bank.anchor_config,
            blended.p_correct_qm,
            blended.prompt_tokens_qm,
            blended.completion_tokens_qm,
        )
        fitted = replace(fitted, reference=population)
    quality = AnswerQuality.cross_validated(estimates, result.answers, truth, bank.models)
    return fitted, ReasonerFitReport(
        blend,
        quality,
        result.usage,
        len(anchors),
        len(result.errors),
        sample.n_trained,
        first_error,
    )


def _query_sample(
    bank: Bank, path: Path, sample: IntArray, reasoner: ReasonerRun, stages: Stages
) -> QueryResult:
    """Query every model whose outcome is known on the sampled anchors."""
    prompts = bank.require_prompts()
    queries = QueryBatch(
        [prompts[anchor] for anchor in sample],
        [bank.ids[anchor] for anchor in sample],
        ~np.isnan(bank.outcomes.correct_am[sample]),
        bank,
        content_digest(path),
    )
    with ray_session(stages):
        return query_reasoner(queries, _sample_dataset(bank, sample), None, reasoner, stages)


def _sample_dataset(bank: Bank, sample: IntArray) -> Dataset:
    """Return the sampled anchors as blocks for the prompt actors."""
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
