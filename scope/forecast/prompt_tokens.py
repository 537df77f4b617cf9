"""Predict the prompt tokens of each model."""

import numpy as np
from scipy.optimize import nnls

from scope.arrays import FloatArray


class PromptTokenRegression:
    """Predicts prompt tokens from text features.

    A non-negative linear regression of the mean count over models, times each model's
    ratio to that mean: tokenizers differ mostly by a factor.

    Parameters
    ----------
    features_af : ndarray of shape (n_anchors, n_features)
    prompt_tokens_am : ndarray of shape (n_anchors, n_models)
        Counts, NaN where never run.
    """

    def __init__(self, features_af: FloatArray, prompt_tokens_am: FloatArray) -> None:
        counted = ~np.isnan(prompt_tokens_am)
        some_a = counted.any(axis=1)
        design = _with_intercept(features_af[some_a])
        mean_a = np.nansum(prompt_tokens_am[some_a], axis=1) / counted[some_a].sum(axis=1)
        self._coefficient_f: FloatArray = nnls(design, mean_a)[0] if some_a.any() else np.zeros(0)
        expected_am = np.full_like(prompt_tokens_am, np.nan)
        if some_a.any():
            expected_am[some_a] = (design @ self._coefficient_f)[:, None]
        total_m = np.where(counted, prompt_tokens_am, 0).sum(axis=0)
        expected_m = np.where(counted, expected_am, 0).sum(axis=0)
        self._ratio_m = np.full(prompt_tokens_am.shape[1], np.nan)
        np.divide(total_m, expected_m, out=self._ratio_m, where=expected_m > 0)

    def predict(self, features_qf: FloatArray) -> FloatArray:
        """Return expected prompt tokens, shape (n_questions, n_models), at least 1."""
        if not self._coefficient_f.size:
            return np.full((len(features_qf), len(self._ratio_m)), np.nan)
        # Summed feature by feature, so that the last bit does not depend on the batch.
        mean_q = (_with_intercept(features_qf) * self._coefficient_f).sum(axis=1)
        tokens_qm: FloatArray = np.maximum(mean_q[:, None] * self._ratio_m, 1.0)
        return tokens_qm


def _with_intercept(features: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(features)), features])
