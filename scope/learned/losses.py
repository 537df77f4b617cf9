"""The five losses: their number of logits, their value, and the probabilities they stand for."""

import numpy as np

from scope.arrays import FloatArray
from scope.errors import ConfigError
from scope.learned.foreign_types import Tensor
from scope.learned.spec import TWO_LOGIT_LOSSES, HeadCalibration, Loss


def n_outputs(loss: Loss, n_arms: int) -> int:
    """Return the number of labels of a prompt, which is that of calibrated heads.

    Parameters
    ----------
    loss : Loss
    n_arms : int
        Arms, the reference included.

    Raises
    ------
    ConfigError
        If the loss is for two arms and there are more.
    """
    if loss.endswith("_2cls") and n_arms != 2:
        raise ConfigError(
            f"loss {loss} is for one arm and the reference, got {n_arms - 1} arms; "
            "use prob_nlabels, or one arm"
        )
    return n_arms - 1 if loss in TWO_LOGIT_LOSSES else n_arms


def n_logits(loss: Loss, n_arms: int) -> int:
    """Return the number of outputs of the network."""
    return n_outputs(loss, n_arms) * (2 if loss in TWO_LOGIT_LOSSES else 1)


def head_loss(loss: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss over the known labels, as a tensor.

    Parameters
    ----------
    loss : Loss
    logits : tensor of shape (n_questions, n_logits)
        With two logits for each arm the first is that of a match.
    labels : tensor of shape (n_questions, n_outputs)
        In [0, 1]: share of matches, or a one-hot best arm for ``det_ncls``. NaN is unknown.
    """
    import torch
    from torch.nn import functional

    known = ~torch.isnan(labels)
    target = torch.where(known, labels, torch.zeros_like(labels))
    if loss == "det_ncls":
        nll = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1, keepdim=True)
        known = known.all(dim=1, keepdim=True)
    else:
        if loss in TWO_LOGIT_LOSSES:
            pairs = logits.view(len(logits), -1, 2)
            logits = pairs[..., 0] - pairs[..., 1]
        nll = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (nll * known).sum() / known.sum().clamp(min=1)


def margins(loss: Loss, logit_qn: FloatArray) -> FloatArray:
    """Return one logit for each output, shape (n_questions, n_outputs)."""
    if loss in TWO_LOGIT_LOSSES:
        return logit_qn[:, 0::2] - logit_qn[:, 1::2]
    return logit_qn


def probabilities(
    loss: Loss, margin_qm: FloatArray, calibration: tuple[HeadCalibration, ...]
) -> FloatArray:
    """Return the probability of each arm, the reference last, shape (n_questions, n_arms).

    It is the probability that the arm matches the reference, which itself has 1. After
    ``det_ncls`` it is the probability that the arm is the best one, for the reference, too.
    """
    temperature_m = np.array([head.temperature for head in calibration])
    bias_m = np.array([head.bias for head in calibration])
    scaled_qm = margin_qm / temperature_m + bias_m
    if loss == "det_ncls":
        weight_qm = np.exp(scaled_qm - scaled_qm.max(axis=1, keepdims=True))
        best_qm: FloatArray = weight_qm / weight_qm.sum(axis=1, keepdims=True)
        return best_qm
    match_qm = 0.5 * (1 + np.tanh(0.5 * scaled_qm))
    if loss == "det_nlabels":
        match_qm = match_qm[:, :-1]
    reference_q1 = np.where(np.isnan(match_qm).any(axis=1, keepdims=True), np.nan, 1.0)
    return np.hstack([match_qm, reference_q1])
