"""Strict settings: unknown keys are refused, every mistake is named at once."""

import json
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scope.errors import ConfigError

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


BATCH_CHARS = 4_000
"""Keeps the activations of a small encoder in a CPU's cache; a GPU wants a hundred times that."""


class StrictModel(BaseModel):
    """A frozen value that refuses unknown keys and does not coerce text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Value = TypeVar("Value", bound=BaseModel)


def parse(kind: type[Value], data: object, source: str) -> Value:
    """Return `data` as a `kind`; every mistake in it is named in one `ConfigError`.

    Parameters
    ----------
    kind : type
        The pydantic model to build.
    data : object
        What a JSON or YAML file held.
    source : str
        Name of that file, for the message.

    Raises
    ------
    ConfigError
        With one line for each wrong field.
    """
    try:
        # By way of JSON, whose types count: a list may be a tuple, text is no number.
        return kind.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}, got {e['input']!r:.80}"
            for e in error.errors()
        ]
        raise ConfigError(f"{source} is not valid:\n" + "\n".join(lines)) from error


class AnchorConfig(StrictModel):
    """How the anchor predictor weighs its evidence."""

    n_neighbours: int = Field(default=100, ge=1)
    """Most similar anchors that vote on a question."""
    similarity_power: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    """Exponent on cosine similarity; 0 lets every similar anchor count once."""
    prior_strength: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Strength of the pull toward a model's mean, in anchors."""
    use_forecaster: bool = True
    """Foretell by what ``scope bank fit`` fitted, where it did; else by votes alone."""


class EncoderConfig(StrictModel):
    """How texts are embedded; none of it changes what an embedding means."""

    batch_chars: int = Field(default=BATCH_CHARS, ge=1)
    """Characters in one forward pass, padding included."""
    replicas: tuple[int, int] = (1, 2)
    """Smallest and largest number of encoder processes; N is (1, N)."""
    num_cpus: float = Field(default=1.0, gt=0)
    """CPU cores reserved by one encoder process."""
    num_gpus: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """GPUs reserved by one encoder process: a share of one, or a whole number."""

    @field_validator("replicas", mode="plain")
    @classmethod
    def _number_or_range(cls, replicas: object) -> tuple[int, int]:
        # A union of both would tell of a mistake twice, and of neither form plainly.
        bounds = tuple(replicas) if isinstance(replicas, list | tuple) else (1, replicas)
        if len(bounds) == 2 and all(type(bound) is int for bound in bounds):
            least, most = bounds
            if 1 <= least <= most:
                return least, most
        raise ValueError("expected N or [MIN, MAX], whole numbers with 1 <= MIN <= MAX")

    @field_validator("num_gpus")
    @classmethod
    def _share_or_whole(cls, num_gpus: float) -> float:
        if num_gpus > 1 and not num_gpus.is_integer():
            raise ValueError("more than one GPU is a whole number of them")
        return num_gpus
