"""Strict settings: unknown keys are rejected, and all errors are reported at once."""

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scope.errors import ConfigError

Backend = Literal["onnx", "torch"]
"""What computes the vectors of an encoder: onnxruntime, on the CPU only, or torch."""
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


BATCH_CHARS = 4_000
"""Keeps the activations of a small encoder in a CPU's cache; a GPU needs a hundred times more."""


class StrictModel(BaseModel):
    """A frozen value that rejects unknown keys and does not coerce text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Value = TypeVar("Value", bound=BaseModel)


def parse(kind: type[Value], data: object, source: str) -> Value:
    """Validate `data` as a `kind`; all errors are reported in one `ConfigError`.

    Parameters
    ----------
    kind : type
        The pydantic model to build.
    data : object
        Content of a JSON or YAML file.
    source : str
        Name of that file, for the message.

    Raises
    ------
    ConfigError
        With one line for each wrong field.
    """
    try:
        # Validated as JSON: a list may be a tuple, but text is not a number.
        return kind.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}, got {e['input']!r:.80}"
            for e in error.errors()
        ]
        raise ConfigError(f"{source} is not valid:\n" + "\n".join(lines)) from error


class AnchorConfig(StrictModel):
    """Settings of the anchor predictor."""

    n_neighbours: int = Field(default=100, ge=1)
    """Nearest anchors in the kNN estimate."""
    similarity_power: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    """Exponent on cosine similarity; 0 gives every similar anchor weight 1."""
    prior_strength: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Weight of a model's mean, in pseudo-counts of anchors."""
    use_forecaster: bool = True
    """Use the forecaster of ``scope bank fit`` if the bank has one; otherwise kNN alone."""


class EncoderConfig(StrictModel):
    """How texts are embedded; no setting changes a vector by more than a cosine of 0.999999."""

    backend: Backend | None = None
    """None: torch on a GPU, and on a CPU onnxruntime for MiniLM."""

    batch_chars: int = Field(default=BATCH_CHARS, ge=1)
    """Characters in one forward pass, padding included."""
    replicas: tuple[int, int] = (1, 2)
    """Minimum and maximum number of encoder processes; N means (1, N)."""
    num_cpus: float = Field(default=1.0, gt=0)
    """CPU cores reserved by one encoder process."""
    num_gpus: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """GPUs reserved by one encoder process: a share of one, or a whole number."""

    @field_validator("replicas", mode="plain")
    @classmethod
    def _number_or_range(cls, replicas: object) -> tuple[int, int]:
        # A union type would report an error once for each form.
        bounds = tuple(replicas) if isinstance(replicas, list | tuple) else (1, replicas)
        if len(bounds) == 2 and all(type(bound) is int for bound in bounds):
            low, high = bounds
            if 1 <= low <= high:
                return low, high
        raise ValueError("expected N or [MIN, MAX], whole numbers with 1 <= MIN <= MAX")

    @field_validator("num_gpus")
    @classmethod
    def _share_or_whole(cls, num_gpus: float) -> float:
        if num_gpus > 1 and not num_gpus.is_integer():
            raise ValueError("expected a whole number above 1")
        return num_gpus
