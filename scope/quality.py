"""How good forecasts are, over all models and for each."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats
from scope.exam import Exam
from scope.reliability import LengthError, Reliability

ALL_MODELS = "all models"


@dataclass(frozen=True, slots=True)
class Quality:
    """Forecasts of one router against every outcome that is known.

    Attributes
    ----------
    name : str
    mean_auc : float
        Mean of the models' own AUCs, where defined; NaN if none is. Unlike the pooled
        one it gives no credit for knowing which models are good.
    pooled : Reliability
        Over all (question, model) cells.
    by_model : dict of str to Reliability
    lengths : dict of str to LengthError
        Error of the completion tokens by model, over all under `ALL_MODELS`; empty for a
        baseline, which foretells none.
    """

    name: str
    mean_auc: float
    pooled: Reliability
    by_model: dict[str, Reliability]
    lengths: dict[str, LengthError]


def quality(
    name: str,
    models: tuple[str, ...],
    p_correct_qm: Floats,
    exam: Exam,
    tokens_qm: Floats | None = None,
) -> Quality:
    """Measure one router's forecasts.

    Parameters
    ----------
    name : str
    models : tuple of str
    p_correct_qm : ndarray of shape (n_questions, n_models)
        For every question of the exam; NaN is left out.
    exam : Exam
    tokens_qm : ndarray of shape (n_questions, n_models), optional
        Foretold completion tokens.
    """
    correct_qm = exam.truth.correct_qm
    by_model = {
        model: Reliability.of(p_correct_qm[:, m], correct_qm[:, m])
        for m, model in enumerate(models)
    }
    auc_m = np.array([one.auc for one in by_model.values()])
    defined_m = ~np.isnan(auc_m)
    return Quality(
        name,
        float(auc_m[defined_m].mean()) if defined_m.any() else float("nan"),
        Reliability.of(p_correct_qm.ravel(), correct_qm.ravel()),
        by_model,
        {} if tokens_qm is None else _lengths(models, tokens_qm, exam.completion_tokens_qm),
    )


def _lengths(models: tuple[str, ...], tokens_qm: Floats, real_qm: Floats) -> dict[str, LengthError]:
    errors = {ALL_MODELS: LengthError.of(tokens_qm.ravel(), real_qm.ravel())}
    for m, model in enumerate(models):
        errors[model] = LengthError.of(tokens_qm[:, m], real_qm[:, m])
    return errors
