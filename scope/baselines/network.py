"""Two-layer networks from a question to all models at once: MLP and matrix factorisation.

The networks of scikit-learn cannot ignore missing cells of a table of outcomes; the loss
of this one is a sum over the known cells only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from scope.arrays import BoolArray, FloatArray
from scope.baselines.inputs import TrainingSet, known_log_loss

WEIGHT_DECAY_GRID = (1e-3, 3e-3, 1e-2, 3e-2)
"""Penalties on squared weights; the best on the validation anchors is kept."""
MAX_STEPS = 60


@dataclass(frozen=True, slots=True)
class Architecture:
    """The hidden layer."""

    n_hidden: int
    nonlinear: bool
    """With tanh: a multi-layer perceptron. Without: a matrix factorisation as in RouteLLM,
    the inner product of a projected question and a vector of each model."""


MLP = Architecture(32, nonlinear=True)
MATRIX_FACTORISATION = Architecture(16, nonlinear=False)


class NetworkBaseline:
    """A network whose penalty is selected on the validation anchors.

    Parameters
    ----------
    training : TrainingSet
    validation_a : ndarray of bool, shape (n_anchors,)
    architecture : Architecture
    seed : int
        Of the initial weights.
    """

    def __init__(
        self, training: TrainingSet, validation_a: BoolArray, architecture: Architecture, seed: int
    ) -> None:
        rest, validation = training.select(~validation_a), training.select(validation_a)
        losses = {}
        for decay in WEIGHT_DECAY_GRID:
            p_am = Network(rest, architecture, decay, seed).predict(validation.design_af)
            losses[decay] = known_log_loss(p_am, validation.correct_am)
        self.decay = min(losses, key=losses.__getitem__)
        self._network = Network(training, architecture, self.decay, seed)

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        return self._network.predict(design_qf)


class Network:
    """``expit(activation(x @ inner) @ outer)``, fitted by L-BFGS on the known cells.

    Each layer has one row more than it has inputs, for the intercept.
    """

    def __init__(
        self, training: TrainingSet, architecture: Architecture, decay: float, seed: int
    ) -> None:
        self._architecture, self._decay = architecture, decay
        self._design_af = _with_one(training.design_af)
        self._known_am = ~np.isnan(training.correct_am)
        self._correct_am = np.where(self._known_am, training.correct_am, 0.0)
        mean_m = training.mean_m()
        self._n_inputs, self._n_models = self._design_af.shape[1], len(mean_m)
        rng = np.random.default_rng(seed)
        inner = rng.standard_normal((self._n_inputs, architecture.n_hidden)) / np.sqrt(
            self._n_inputs
        )
        outer = rng.standard_normal((architecture.n_hidden + 1, self._n_models)) * 0.1
        outer[-1] = np.log(mean_m / (1 - mean_m))
        initial = np.concatenate([inner.ravel(), outer.ravel()])
        result = minimize(
            self.loss, initial, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS}
        )
        self._inner, self._outer = self._layers(result.x)

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
        if self._architecture.nonlinear:
            back *= 1 - hidden**2
        inner_penalised, outer_penalised = (_without_last(layer) for layer in (inner, outer))
        inner_gradient = self._design_af.T @ back + 2 * self._decay * inner_penalised
        outer_gradient = _with_one(hidden).T @ error_am + 2 * self._decay * outer_penalised
        penalty = self._decay * ((inner_penalised**2).sum() + (outer_penalised**2).sum())
        value = float(cell_am[self._known_am].sum() / n_cells + penalty)
        return value, np.concatenate([inner_gradient.ravel(), outer_gradient.ravel()])

    def _activation(self, hidden: FloatArray) -> FloatArray:
        return np.tanh(hidden) if self._architecture.nonlinear else hidden

    def _layers(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        cut = self._n_inputs * self._architecture.n_hidden
        inner = weights[:cut].reshape(self._n_inputs, self._architecture.n_hidden)
        return inner, weights[cut:].reshape(self._architecture.n_hidden + 1, self._n_models)


def _with_one(values: FloatArray) -> FloatArray:
    return np.hstack([values, np.ones((len(values), 1))])


def _without_last(layer: FloatArray) -> FloatArray:
    """Return the penalised weights: the intercepts are 0 in them."""
    penalised = layer.copy()
    penalised[-1] = 0.0
    return penalised
