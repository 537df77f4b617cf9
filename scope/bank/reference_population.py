"""What is fitted on a bank: the predictor's settings and the population of the dial."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.arrays import FloatArray
from scope.config import AnchorConfig
from scope.errors import ConfigError
from scope.policy import AlphaScale
from scope.pool import ModelSpec, cost_usd

ARRAYS = ("p_correct_qm", "prompt_tokens_qm", "completion_tokens_qm")


@dataclass(frozen=True, slots=True)
class ReferencePopulation:
    """Predictions of a bank for a sample of its own anchors.

    No anchor took part in its own prediction. The sample stands for the
    questions to come: the dial learns from it what a bill will be, for any
    subset of the models and any prices.

    Attributes
    ----------
    config : AnchorConfig
        Settings the predictions were made with.
    p_correct_qm, prompt_tokens_qm, completion_tokens_qm : ndarray of shape (n_sampled, n_models)
        NaN where unknown.
    """

    config: AnchorConfig
    p_correct_qm: FloatArray
    prompt_tokens_qm: FloatArray
    completion_tokens_qm: FloatArray

    def select_models(self, columns: list[int]) -> "ReferencePopulation":
        """Return the calibration of some models, in the order of `columns`."""
        return ReferencePopulation(
            self.config,
            self.p_correct_qm[:, columns],
            self.prompt_tokens_qm[:, columns],
            self.completion_tokens_qm[:, columns],
        )

    def cost_usd_qm(self, models: Sequence[ModelSpec]) -> FloatArray:
        """Return what the sampled calls cost at the prices of `models`, USD."""
        return cost_usd(models, self.prompt_tokens_qm, self.completion_tokens_qm)

    def save(self, path: Path) -> None:
        """Write the arrays as ``.npz`` in single precision."""
        np.savez_compressed(
            path,
            allow_pickle=False,
            **{name: getattr(self, name).astype(np.float32) for name in ARRAYS},
        )

    @classmethod
    def load(cls, path: Path, config: AnchorConfig) -> "ReferencePopulation":
        """Read what `save` wrote; pickled content is refused."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(config, *(stored[name].astype(np.float64) for name in ARRAYS))


def fit_alpha_scale(
    calibration: ReferencePopulation | None, models: Sequence[ModelSpec]
) -> AlphaScale:
    """Fit the dial of exactly these models at their prices.

    Parameters
    ----------
    calibration : ReferencePopulation or None
        Its columns are `models`.
    models : sequence of ModelSpec

    Raises
    ------
    ConfigError
        If the bank was never calibrated.
    """
    if calibration is None:
        raise ConfigError("the bank behind these predictions has no calibration; no alpha")
    return AlphaScale.fit(calibration.p_correct_qm, calibration.cost_usd_qm(models))
