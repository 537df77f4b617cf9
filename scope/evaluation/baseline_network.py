"""Two layers from a question to all models at once: the learned baselines.

scikit-learn's networks cannot leave out single cells of a table with holes, which
is what outcomes are; this one sums its loss over the known cells alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from scope.arrays import BoolArray, FloatArray
from scope.evaluation.baseline_inputs import TrainingSet, known_log_loss

WEIGHT_DECAY_GRID = (1e-3, 3e-3, 1e-2, 3e-2)
"""Penalties on squared weights tried; the best on the anchors held out is kept."""
MAX_STEPS = 60


@dataclass(frozen=True, slots=True)
class Architecture:
    """What lies between the two layers."""

    n_hidden: int
    nonlinear: bool
    """With tanh: a multi-layer perceptron. Without: a factorisation, in which a
    question's vector is projected and met by a vector of each model, as RouteLLM does."""


MLP = Architecture(32, nonlinear=True)
MATRIX_FACTORISATION = Architecture(16, nonlinear=False)


class NetworkBaseline:
    """The network of a shape, its penalty picked on the anchors held out.

    Parameters
    ----------
    lesson : TrainingSet
    held_out_a : ndarray of bool, shape (n_anchors,)
    shape : Architecture
    seed : int
        Of the first weights.
    """

    def __init__(
        self, lesson: TrainingSet, held_out_a: BoolArray, shape: Architecture, seed: int
    ) -> None:
        rest, exam = lesson.select(~held_out_a), lesson.select(held_out_a)
        losses = {}
        for decay in WEIGHT_DECAY_GRID:
            p_am = Network(rest, shape, decay, seed).predict(exam.design_af)
            losses[decay] = known_log_loss(p_am, exam.correct_am)
        self.decay = min(losses, key=losses.__getitem__)
        self._network = Network(lesson, shape, self.decay, seed)

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        return self._network.predict(design_qf)


class Network:
    """``expit(bend(x @ inner) @ outer)``, fitted by L-BFGS on the known cells.

    Each layer has one row more than inputs, for the offset.
    """

    def __init__(self, lesson: TrainingSet, shape: Architecture, decay: float, seed: int) -> None:
        self._shape, self._decay = shape, decay
        self._design_af = _with_one(lesson.design_af)
        self._known_am = ~np.isnan(lesson.correct_am)
        self._correct_am = np.where(self._known_am, lesson.correct_am, 0.0)
        mean_m = lesson.mean_m()
        self._n_inputs, self._n_models = self._design_af.shape[1], len(mean_m)
        rng = np.random.default_rng(seed)
        inner = rng.standard_normal((self._n_inputs, shape.n_hidden)) / np.sqrt(self._n_inputs)
        outer = rng.standard_normal((shape.n_hidden + 1, self._n_models)) * 0.1
        outer[-1] = np.log(mean_m / (1 - mean_m))
        start = np.concatenate([inner.ravel(), outer.ravel()])
        found = minimize(
            self.loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS}
        )
        self._inner, self._outer = self._layers(found.x)

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        hidden = self._activation(_with_one(design_qf) @ self._inner)
        p_qm: FloatArray = expit(_with_one(hidden) @ self._outer)
        return p_qm

    def loss(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """Return the penalised mean log loss over the known cells, and its gradient."""
        inner, outer = self._layers(weights)
        hidden = self._activation(self._design_af @ inner)
        logit_am = _with_one(hidden) @ outer
        # log(1 + e^x) - c x, without overflow
        cell_am = np.logaddexp(0, logit_am) - self._correct_am * logit_am
        n_cells = self._known_am.sum()
        error_am = np.where(self._known_am, expit(logit_am) - self._correct_am, 0.0) / n_cells
        back = error_am @ outer[:-1].T
        if self._shape.nonlinear:
            back *= 1 - hidden**2
        inner_free, outer_free = (_without_last(layer) for layer in (inner, outer))
        inner_slope = self._design_af.T @ back + 2 * self._decay * inner_free
        outer_slope = _with_one(hidden).T @ error_am + 2 * self._decay * outer_free
        penalty = self._decay * ((inner_free**2).sum() + (outer_free**2).sum())
        value = float(cell_am[self._known_am].sum() / n_cells + penalty)
        return value, np.concatenate([inner_slope.ravel(), outer_slope.ravel()])

    def _activation(self, hidden: FloatArray) -> FloatArray:
        return np.tanh(hidden) if self._shape.nonlinear else hidden

    def _layers(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        cut = self._n_inputs * self._shape.n_hidden
        inner = weights[:cut].reshape(self._n_inputs, self._shape.n_hidden)
        return inner, weights[cut:].reshape(self._shape.n_hidden + 1, self._n_models)


def _with_one(values: FloatArray) -> FloatArray:
    return np.hstack([values, np.ones((len(values), 1))])


def _without_last(layer: FloatArray) -> FloatArray:
    """Return the weights that are penalised: offsets are free."""
    free = layer.copy()
    free[-1] = 0.0
    return free
