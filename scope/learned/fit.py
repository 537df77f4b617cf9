"""The last step of training: lengths, calibration, threshold and reference population."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from scope.arrays import BoolArray, FloatArray
from scope.bank import ReferencePopulation
from scope.config import AnchorConfig
from scope.errors import ConfigError, join_names
from scope.learned.calibration import calibrate
from scope.learned.foreign_types import Module
from scope.learned.losses import n_outputs, probabilities
from scope.learned.router import LearnedRouter
from scope.learned.spec import (
    ArmLengths,
    BaseEncoder,
    HeadCalibration,
    Loss,
    Pooling,
    RouterSpec,
)
from scope.learned.threshold import TARGET_DROPS, drop_thresholds
from scope.learned.token_rows import TextTokenizer, TokenRow
from scope.pool import ModelSpec

TARGET_DROP = 0.01
"""Quality drop that the stored threshold allows, as published."""


@dataclass(frozen=True, slots=True)
class RouterData:
    """Labelled prompts for a router; columns are arms, the reference last.

    Attributes
    ----------
    prompts : tuple of str
    is_train_q, is_validation_q : ndarray of shape (n_prompts,)
        Prompts in neither are not read.
    models : tuple of ModelSpec
        The arms with their prices.
    loss : Loss
    margin : float
        The margin t of the labels.
    label_qm : ndarray of shape (n_prompts, n_outputs)
        As `scope.learned.losses.head_loss` reads them; NaN where unknown.
    quality_qm : ndarray of shape (n_prompts, n_arms)
        Expected quality of an answer of the arm; NaN where unknown.
    prompt_tokens_qm, completion_tokens_qm : ndarray of shape (n_prompts, n_arms)
        Processed by one call of the arm, all its samples together; NaN where unknown.
    source : str
        Where the samples came from.
    """

    prompts: tuple[str, ...]
    is_train_q: BoolArray
    is_validation_q: BoolArray
    models: tuple[ModelSpec, ...]
    loss: Loss
    margin: float
    label_qm: FloatArray
    quality_qm: FloatArray
    prompt_tokens_qm: FloatArray
    completion_tokens_qm: FloatArray
    source: str

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms."""
        return tuple(model.id for model in self.models)

    def check(self) -> None:
        """Raise `ConfigError` if a router cannot be trained on these prompts."""
        width = n_outputs(self.loss, len(self.models))
        for name, part_q in (("training", self.is_train_q), ("validation", self.is_validation_q)):
            if not part_q.any():
                raise ConfigError(f"{self.source} has no {name} prompt")
        label_qm = self.label_qm[self.is_train_q]
        for arm, label_q in zip(self.arms[:width], label_qm.T, strict=True):
            self._check_labels(arm, label_q[~np.isnan(label_q)])
        tokens_qm = (self.prompt_tokens_qm + self.completion_tokens_qm)[self.is_train_q]
        if unmeasured := [
            arm
            for arm, tokens_q in zip(self.arms, tokens_qm.T, strict=True)
            if np.isnan(tokens_q).all()
        ]:
            raise ConfigError(
                f"no training prompt has token counts of {join_names(unmeasured)}; an unknown "
                "cost is not free"
            )

    def _check_labels(self, arm: str, label_n: FloatArray) -> None:
        if not label_n.size:
            raise ConfigError(f"arm {arm!r} has no label on any training prompt; leave it out")
        is_reference = self.loss == "det_nlabels" and arm == self.arms[-1]
        equal = label_n.min() == label_n.max()
        if equal and not is_reference and (self.loss != "det_ncls" or label_n[0] == 1):
            raise ConfigError(
                f"all {len(label_n)} training labels of arm {arm!r} are {label_n[0]:g}: there is "
                "nothing to learn; choose another margin, or leave the arm out"
            )


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network with trained weights, and what it was trained from."""

    network: Module
    tokenizer: TextTokenizer
    encoder: BaseEncoder
    pooling: Pooling
    seed: int


def finish_router(
    data: RouterData,
    rows: Sequence[TokenRow],
    trained: TrainedNetwork,
    target_drop: float = TARGET_DROP,
) -> LearnedRouter:
    """Calibrate a trained network on the validation prompts and choose its threshold.

    Parameters
    ----------
    data : RouterData
    rows : sequence of TokenRow
        One for each prompt of `data`.
    trained : TrainedNetwork
    target_drop : float
        Quality drop that the threshold allows, a share of the reference's mean quality.
    """
    used = [
        row
        for row, wanted in zip(rows, data.is_train_q | data.is_validation_q, strict=True)
        if wanted
    ]
    width = n_outputs(data.loss, len(data.models))
    spec = RouterSpec(
        loss=data.loss,
        pooling=trained.pooling,
        encoder=trained.encoder,
        models=data.models,
        lengths=fit_lengths(data, np.array([float(row.n_tokens) for row in rows])),
        match_margin=data.margin,
        calibration=(HeadCalibration(),) * width,
        threshold=1.0,
        n_train=int(data.is_train_q.sum()),
        n_validation=int(data.is_validation_q.sum()),
        n_truncated=sum(row.truncated for row in used),
        seed=trained.seed,
        data=data.source,
    )
    draft = LearnedRouter(spec, trained.network, trained.tokenizer)
    return _calibrated(draft, data, rows, target_drop)


def _calibrated(
    draft: LearnedRouter, data: RouterData, rows: Sequence[TokenRow], target_drop: float
) -> LearnedRouter:
    validation = np.flatnonzero(data.is_validation_q)
    kept = [rows[q] for q in validation]
    margin_qm = draft.margins(kept)
    calibration, report = calibrate(data.loss, margin_qm, data.label_qm[validation])
    p_qm = probabilities(data.loss, margin_qm, calibration)
    estimates = draft.estimates(p_qm, np.array([float(row.n_tokens) for row in kept]))
    updates: dict[str, Any] = {"calibration": calibration, "calibration_report": report}
    if data.loss != "det_ncls":  # its rule is the most likely arm: no other arm reaches 1
        targets = sorted({*TARGET_DROPS, target_drop})
        table = drop_thresholds(p_qm, estimates.cost_usd_qm, data.quality_qm[validation], targets)
        updates |= {
            "thresholds": table,
            "threshold": table[targets.index(target_drop)].threshold,
        }
    known_q = np.isfinite(p_qm).all(axis=1)
    reference = ReferencePopulation(
        AnchorConfig(),
        p_qm[known_q],
        estimates.prompt_tokens_qm[known_q],
        estimates.completion_tokens_qm[known_q],
    )
    return draft.with_spec(draft.spec.model_copy(update=updates), reference)


def fit_lengths(data: RouterData, tokens_q: FloatArray) -> tuple[ArmLengths, ...]:
    """Fit each arm's prompt tokens to the encoder's, and describe its completion tokens.

    Parameters
    ----------
    data : RouterData
        Only its training prompts are used.
    tokens_q : ndarray of shape (n_prompts,)
        Tokens of the encoder.
    """
    lengths = []
    for m in range(len(data.models)):
        prompt_q, completion_q = data.prompt_tokens_qm[:, m], data.completion_tokens_qm[:, m]
        known_q = data.is_train_q & ~np.isnan(prompt_q + completion_q)
        design = np.column_stack([np.ones(known_q.sum()), tokens_q[known_q]])
        intercept, slope = nnls(design, prompt_q[known_q])[0]
        low, high = np.quantile(completion_q[known_q], (0.1, 0.9))
        lengths.append(
            ArmLengths(
                prompt_intercept=float(intercept),
                prompt_slope=float(slope),
                completion_mean=float(completion_q[known_q].mean()),
                completion_low=float(low),
                completion_high=float(high),
            )
        )
    return tuple(lengths)
