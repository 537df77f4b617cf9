"""One fine-tuning: its settings, and its working folder."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

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


class FinetuneJob(StrictModel):
    """Everything that the trained weights depend on, besides the rows."""

    method: Method
    reasoner: ReasonerConfig
    """The checkpoint to train, and the form of its prompts and replies."""
    settings: FinetuneSettings
    digest: str
    """SHA-256 of the rows."""


class FinetuneFolder(WorkingFolder[FinetuneJob]):
    """The working folder of a fine-tuning."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FinetuneJob)

    @property
    def is_finished(self) -> bool:
        """Whether the weights are there: `BEST` is renamed into place when it is complete."""
        return (self.path / BEST).is_dir()
