"""A reasoner and the blend that is fitted to its answers: ``reasoner.json`` of a bank."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from scope.arrays import FloatArray
from scope.config import StrictModel, parse
from scope.errors import BankError
from scope.fusion.blend import Blend
from scope.reasoner import ReasonerSpec
from scope.storage import read_json, write_json


@dataclass(frozen=True, slots=True)
class CalibratedReasoner:
    """A reasoner and the blend fitted to its answers on a bank.

    Attributes
    ----------
    spec : ReasonerSpec
        The blend is valid for answers of this reasoner only.
    blend : Blend
        Columns are the models of the bank.
    """

    spec: ReasonerSpec
    blend: Blend

    def __str__(self) -> str:
        weights = f"weight {self.blend.weight:.2f}, of lengths {self.blend.length_weight:.2f}"
        return f"{self.spec}: {weights}"

    def select_models(self, positions: Sequence[int]) -> "CalibratedReasoner":
        """Return the same for some models, in the order of `positions`."""
        return CalibratedReasoner(self.spec, self.blend.select_models(positions))

    def with_new_model(self) -> "CalibratedReasoner":
        """Return the same with one more model, last, for which answers change nothing yet."""
        return CalibratedReasoner(self.spec, self.blend.with_new_model())

    def save(self, path: Path) -> None:
        """Write a JSON file; an unknown baseline is null."""
        blend = _BlendRecord(
            weight=self.blend.weight,
            slope=self.blend.slope,
            baseline_log_odds=_nan_to_null(self.blend.baseline_log_odds_m),
            low=self.blend.low,
            high=self.blend.high,
            shift_std=self.blend.shift_std,
            length_weight=self.blend.length_weight,
            baseline_log_ratios=_nan_to_null(self.blend.baseline_log_ratio_m),
            ratio_std=self.blend.ratio_std,
        )
        write_json(path, _File(reasoner=self.spec, blend=blend).model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path, n_models: int) -> "CalibratedReasoner":
        """Read a file that `save` wrote.

        Raises
        ------
        ConfigError
            If a number is missing or out of range.
        BankError
            If it is not for `n_models` models.
        """
        stored = parse(_File, read_json(path), str(path))
        return cls(stored.reasoner, stored.blend.blend(n_models, path))


class _BlendRecord(StrictModel):
    """A `Blend` in JSON."""

    weight: float = Field(ge=0, allow_inf_nan=False)
    slope: float = Field(ge=0, allow_inf_nan=False)
    baseline_log_odds: tuple[float | None, ...]
    low: float = Field(le=0, allow_inf_nan=False)
    high: float = Field(ge=0, allow_inf_nan=False)
    shift_std: float = Field(ge=0, allow_inf_nan=False)
    length_weight: float = Field(ge=0, le=1)
    baseline_log_ratios: tuple[float | None, ...]
    ratio_std: float = Field(ge=0, allow_inf_nan=False)

    def blend(self, n_models: int, path: Path) -> Blend:
        """Return the blend, checked for `n_models` models."""
        found = {len(self.baseline_log_odds), len(self.baseline_log_ratios)}
        if found != {n_models}:
            raise BankError(
                f"{path} is for {' and '.join(map(str, sorted(found)))} models; "
                f"the bank has {n_models}"
            )
        return Blend(
            weight=self.weight,
            slope=self.slope,
            baseline_log_odds_m=_null_to_nan(self.baseline_log_odds),
            low=self.low,
            high=self.high,
            length_weight=self.length_weight,
            baseline_log_ratio_m=_null_to_nan(self.baseline_log_ratios),
            shift_std=self.shift_std,
            ratio_std=self.ratio_std,
        )


class _File(StrictModel):
    """Content of ``reasoner.json``."""

    reasoner: ReasonerSpec
    blend: _BlendRecord


def _nan_to_null(value_m: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else value for value in value_m.tolist())


def _null_to_nan(values: tuple[float | None, ...]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
