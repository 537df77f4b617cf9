"""A reasoner and what its answers have earned on a bank: ``reasoner.json``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from scope.arrays import Floats
from scope.blend import Blend
from scope.config import Strict, parse
from scope.errors import BankError
from scope.files import read_json, write_json
from scope.reasoner import ReasonerSpec


@dataclass(frozen=True, slots=True)
class FittedReasoner:
    """The reasoner whose answers a bank's blend was fitted on.

    Attributes
    ----------
    spec : ReasonerSpec
        Answers of any other are not to be blended by it.
    blend : Blend
        Columns are the models of the bank.
    """

    spec: ReasonerSpec
    blend: Blend

    def __str__(self) -> str:
        earned = f"weight {self.blend.weight:.2f}, of lengths {self.blend.length_weight:.2f}"
        return f"{self.spec}: {earned}"

    def columns(self, positions: Sequence[int]) -> "FittedReasoner":
        """Return the same of some models, in the order of `positions`."""
        return FittedReasoner(self.spec, self.blend.columns(positions))

    def with_unknown(self) -> "FittedReasoner":
        """Return the same with one more model, last, whose answers change nothing yet."""
        return FittedReasoner(self.spec, self.blend.with_unknown())

    def save(self, path: Path) -> None:
        """Write it as JSON; a centre that is not known is null."""
        blend = _Stored(
            weight=self.blend.weight,
            slope=self.blend.slope,
            centers=_nullable(self.blend.center_m),
            low=self.blend.low,
            high=self.blend.high,
            spread=self.blend.spread,
            length_weight=self.blend.length_weight,
            length_centers=_nullable(self.blend.length_center_m),
            length_spread=self.blend.length_spread,
        )
        write_json(path, _File(reasoner=self.spec, blend=blend).model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path, n_models: int) -> "FittedReasoner":
        """Read what `save` wrote.

        Raises
        ------
        ConfigError
            If a number is missing or out of range.
        BankError
            If it is not of `n_models` models.
        """
        stored = parse(_File, read_json(path), str(path))
        return cls(stored.reasoner, stored.blend.blend(n_models, path))


class _Stored(Strict):
    """A `Blend` as JSON holds it."""

    weight: float = Field(ge=0, allow_inf_nan=False)
    slope: float = Field(ge=0, allow_inf_nan=False)
    centers: tuple[float | None, ...]
    low: float = Field(le=0, allow_inf_nan=False)
    high: float = Field(ge=0, allow_inf_nan=False)
    spread: float = Field(ge=0, allow_inf_nan=False)
    length_weight: float = Field(ge=0, le=1)
    length_centers: tuple[float | None, ...]
    length_spread: float = Field(ge=0, allow_inf_nan=False)

    def blend(self, n_models: int, path: Path) -> Blend:
        """Return the blend of `n_models` models."""
        found = {len(self.centers), len(self.length_centers)}
        if found != {n_models}:
            raise BankError(
                f"{path} is of {' and '.join(map(str, sorted(found)))} models; "
                f"the bank has {n_models}"
            )
        return Blend(
            weight=self.weight,
            slope=self.slope,
            center_m=_array(self.centers),
            low=self.low,
            high=self.high,
            length_weight=self.length_weight,
            length_center_m=_array(self.length_centers),
            spread=self.spread,
            length_spread=self.length_spread,
        )


class _File(Strict):
    """Content of ``reasoner.json``."""

    reasoner: ReasonerSpec
    blend: _Stored


def _nullable(value_m: Floats) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else value for value in value_m.tolist())


def _array(values: tuple[float | None, ...]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
