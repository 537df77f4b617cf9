"""One fine-tuning: its settings, and its working folder."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipelines.finetune.reward import MIN_GROUP, RewardWeights, Score
from pipelines.train.job import TrainSettings, WorkingFolder
from scope.config import StrictModel
from scope.reasoner import ReasonerConfig

Method = Literal["sft", "grpo"]

BEST = "best"
"""Folder of the finished weights and the tokenizer."""
LOG = "log.jsonl"
"""File with a line for each logged step."""

LORA_RATE, FULL_RATE = 2e-4, 2e-5
"""Highest learning rates by default, of LoRA and of all weights."""


class FinetuneSettings(TrainSettings):
    """How the weights of a reasoner are trained."""

    epochs: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=LORA_RATE, gt=0)
    micro_batch_size: int = Field(default=4, ge=1)
    """Most prompts that one worker computes at a time; the rest of a batch accumulates."""
    lora_rank: int = Field(default=16, ge=0)
    """Rank of the matrices that LoRA trains; 0 trains all weights."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Of weights that LoRA leaves as they are; trained weights are always float32."""

    @model_validator(mode="after")
    def _batches_are_even(self) -> "FinetuneSettings":
        if self.batch_size % (self.n_workers * self.rows_at_a_time):
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of {self.n_workers} workers times "
                f"micro_batch_size {self.rows_at_a_time}"
            )
        return self

    @property
    def rows_at_a_time(self) -> int:
        """Prompts that one worker computes at a time."""
        return min(self.micro_batch_size, max(self.batch_size // self.n_workers, 1))

    @property
    def accumulation_steps(self) -> int:
        """Computations of a worker for one step."""
        return self.batch_size // (self.n_workers * self.rows_at_a_time)


class PolicySettings(StrictModel):
    """How GRPO rewards and samples replies; each batch is made of whole groups."""

    group_size: int = Field(default=8, ge=MIN_GROUP)
    """Replies to one prompt, which are compared with each other."""
    score: Score = "brier"
    """Of the answer yes or no."""
    weights: RewardWeights = RewardWeights()
    kl: float = Field(default=0.0, ge=0)
    """Weight of the divergence from the checkpoint that is trained."""
    vllm: Literal["colocate", "server"] | None = None
    """Replies by vLLM on the same GPU, or by a server; None takes transformers."""
    vllm_url: str | None = None
    """Address of the server."""


class FinetuneJob(StrictModel):
    """Everything that the trained weights depend on, besides the rows."""

    method: Method
    reasoner: ReasonerConfig
    """The checkpoint to train, and the form of its prompts and replies."""
    settings: FinetuneSettings
    policy: PolicySettings | None = None
    """Of GRPO; None for SFT."""
    digest: str
    """SHA-256 of the rows."""

    @model_validator(mode="after")
    def _workers_have_whole_groups(self) -> "FinetuneJob":
        per_worker = self.settings.batch_size // self.settings.n_workers
        if self.policy is not None and per_worker % self.policy.group_size:
            raise ValueError(
                f"batch_size {self.settings.batch_size} gives each worker {per_worker} replies; "
                f"expected a multiple of the group size {self.policy.group_size}"
            )
        return self


class FinetuneFolder(WorkingFolder[FinetuneJob]):
    """The working folder of a fine-tuning."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FinetuneJob)

    @property
    def is_finished(self) -> bool:
        """Whether the weights are there: `BEST` is renamed into place when it is complete."""
        return (self.path / BEST).is_dir()
