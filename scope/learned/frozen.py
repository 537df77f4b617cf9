"""Fit the heads on a frozen encoder: a convex problem that a CPU solves in seconds."""

from typing import Any

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.learned.foreign_types import Module, Tensor
from scope.learned.losses import head_loss
from scope.learned.spec import Loss

RIDGES = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Penalties on the weights that are tried, in units of the mean loss; strongest first."""

MAX_STEPS = 200


def fit_heads(
    network: Module,
    loss: Loss,
    embedding_qd: FloatArray,
    label_qm: FloatArray,
    is_train_q: BoolArray,
) -> float:
    """Fit ``network.heads`` to embeddings; the ridge with the lowest validation loss is kept.

    Parameters
    ----------
    network : torch.nn.Module
        Its heads are replaced in place.
    loss : Loss
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
        Pooled hidden states, NaN where a text cannot be encoded; those are not used.
    label_qm : ndarray of shape (n_questions, n_outputs)
    is_train_q : ndarray of shape (n_questions,)
        The other questions are the validation.

    Returns
    -------
    float
        Validation loss.
    """
    import torch

    known_q = np.isfinite(embedding_qd).all(axis=1)
    centre_d = embedding_qd[known_q & is_train_q].mean(axis=0)
    spread_d = embedding_qd[known_q & is_train_q].std(axis=0) + 1e-6
    parts = [
        (
            torch.tensor((embedding_qd[part_q] - centre_d) / spread_d),
            torch.tensor(label_qm[part_q]),
        )
        for part_q in (known_q & is_train_q, known_q & ~is_train_q)
    ]
    fits = [_fit(loss, *parts[0], network.heads.out_features, ridge) for ridge in RIDGES]
    values = [float(head_loss(loss, parts[1][0] @ w + b, parts[1][1])) for w, b in fits]
    weight, bias = fits[int(np.argmin(values))]
    weight = weight / torch.tensor(spread_d)[:, None]
    with torch.no_grad():
        network.heads.weight.copy_(weight.T)
        network.heads.bias.copy_(bias - torch.tensor(centre_d) @ weight)
    return min(values)


def _fit(
    loss: Loss, inputs: Tensor, labels: Tensor, n_logits: int, ridge: float
) -> tuple[Tensor, Tensor]:
    """Return weights and biases of the penalised minimum, by L-BFGS in double precision."""
    import torch

    weight = torch.zeros((inputs.shape[1], n_logits), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(n_logits, dtype=torch.float64, requires_grad=True)
    solver: Any = torch.optim.LBFGS(
        [weight, bias], max_iter=MAX_STEPS, line_search_fn="strong_wolfe", history_size=20
    )

    def closure() -> Tensor:
        solver.zero_grad()
        penalty = ridge * (weight**2).sum() / 2
        value = head_loss(loss, inputs @ weight + bias, labels) + penalty
        value.backward()
        return value

    solver.step(closure)
    return weight.detach(), bias.detach()
