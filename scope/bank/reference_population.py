"""The reference population of a bank: predictions of a sample of its own anchors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scope.arms import ArmColumns
from scope.arrays import FloatArray
from scope.config import AnchorConfig
from scope.errors import ConfigError
from scope.policy import AlphaScale, BillRatio
from scope.pool import ModelSpec, cost_usd

ARRAYS = ("p_correct_qm", "prompt_tokens_qm", "completion_tokens_qm")


@dataclass(frozen=True, slots=True)
class ReferencePopulation:
    """Predictions of a bank for a sample of its own anchors.

    Each anchor is left out of its own prediction. The sample represents future
    questions: the alpha scale is fitted to it, for any subset of the models and
    any prices.

    Attributes
    ----------
    config : AnchorConfig
        Settings the predictions were made with.
    p_correct_qm, prompt_tokens_qm, completion_tokens_qm : ndarray of shape (n_sampled, n_models)
        NaN where unknown.
    bill_ratio : BillRatio or None
        Real over planned bill on the anchors, of the whole pool at the prices of the fit; None
        where it is not known.
    """

    config: AnchorConfig
    p_correct_qm: FloatArray
    prompt_tokens_qm: FloatArray
    completion_tokens_qm: FloatArray
    bill_ratio: BillRatio | None = None

    def select_models(self, columns: list[int]) -> "ReferencePopulation":
        """Return the population of some models, in the order of `columns`."""
        is_whole_pool = sorted(columns) == list(range(self.p_correct_qm.shape[1]))
        return ReferencePopulation(
            self.config,
            self.p_correct_qm[:, columns],
            self.prompt_tokens_qm[:, columns],
            self.completion_tokens_qm[:, columns],
            self.bill_ratio if is_whole_pool else None,
        )

    def select_arms(self, arms: ArmColumns) -> "ReferencePopulation":
        """Return the population of a pool of arms, some of them derived."""
        if not arms.is_derived:
            return self.select_models(arms.columns)
        return ReferencePopulation(
            self.config,
            arms.p_correct(self.p_correct_qm),
            arms.tokens(self.prompt_tokens_qm),
            arms.tokens(self.completion_tokens_qm),
        )

    def without_bill_ratio(self) -> "ReferencePopulation":
        """Return the population for other choices than those that the bills were compared of."""
        return replace(self, bill_ratio=None)

    def cost_usd_qm(self, models: Sequence[ModelSpec]) -> FloatArray:
        """Return the costs of the sampled questions at the prices of `models`, USD."""
        return cost_usd(models, self.prompt_tokens_qm, self.completion_tokens_qm)

    def save(self, path: Path) -> None:
        """Write the arrays as ``.npz`` in single precision."""
        np.savez_compressed(
            path,
            allow_pickle=False,
            **{name: getattr(self, name).astype(np.float32) for name in ARRAYS},
        )

    @classmethod
    def load(
        cls, path: Path, config: AnchorConfig, bill_ratio: BillRatio | None = None
    ) -> "ReferencePopulation":
        """Read the arrays that `save` wrote; pickled content is refused.

        The settings and the ratio of the bills are in the manifests.
        """
        with np.load(path, allow_pickle=False) as stored:
            p_qm, prompt_qm, completion_qm = (stored[name].astype(np.float64) for name in ARRAYS)
        return cls(config, p_qm, prompt_qm, completion_qm, bill_ratio)


def fit_alpha_scale(
    reference: ReferencePopulation | None, models: Sequence[ModelSpec]
) -> AlphaScale:
    """Fit the alpha scale of exactly these models at their prices, with the ratio of the bills.

    Parameters
    ----------
    reference : ReferencePopulation or None
        Its columns are `models`.
    models : sequence of ModelSpec

    Raises
    ------
    ConfigError
        If there is no reference population: the bank was not fitted.
    """
    if reference is None:
        raise ConfigError(
            "no alpha: the bank of these predictions has no reference population; "
            "run `scope bank fit`"
        )
    scale = AlphaScale.fit(reference.p_correct_qm, reference.cost_usd_qm(models))
    return replace(scale, bill_ratio=reference.bill_ratio)
