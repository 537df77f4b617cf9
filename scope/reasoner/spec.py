"""The reasoning predictor: which small LLM foretells, how it is asked, what pins it down."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from scope.config import StrictModel
from scope.errors import ConfigError
from scope.reasoner.template import Template
from scope.storage import WEIGHT_FILE_PATTERNS, folder_digest

Reasoning = Literal["full", "short", "none"]

REASONING_TOKENS: dict[Reasoning, int] = {"full": 1_536, "short": 96, "none": 0}
"""Tokens a reply may reason before its answer is forced; 1,536 as in the reference."""

MIN_TEMPERATURE = 0.01

ANSWER_TOKENS = 48
"""Room for the words around the reasoning: headings, the block, and the end of the turn."""

CHECKPOINT_FILE_PATTERNS = (*WEIGHT_FILE_PATTERNS, "*.jinja")
"""Files of a checkpoint that decide its replies; the last holds its chat template."""


class ReasonerConfig(StrictModel):
    """Which LLM is asked, and how."""

    checkpoint: str = Field(min_length=1)
    """Hugging Face name or local folder."""
    revision: str | None = None
    """Commit of a Hugging Face name; without it whatever the hub has today."""
    trust_remote_code: bool = False
    """Let the checkpoint run Python code of its own."""
    reasoning: Reasoning = "none"
    """How long it may reason; ``none`` has it answer at once."""
    samples: int = Field(default=1, ge=1)
    """Replies to one prompt, whose answers are averaged."""
    temperature: float = Field(default=0.0, ge=0, le=2, allow_inf_nan=False)
    """Randomness of a reply; the probability of its answer is told as if it were 1."""
    n_examples: int = Field(default=5, ge=1)
    """Nearest anchors shown, of those the model was run on."""
    max_context_tokens: int = Field(default=8_192, ge=1)
    """Tokens of prompt and reply together."""
    template: Path | None = None
    """Jinja file with the wording of the prompt; None for ours."""

    @field_validator("temperature")
    @classmethod
    def _as_vllm_takes_it(cls, temperature: float) -> float:
        if 0 < temperature < MIN_TEMPERATURE:
            raise ValueError(f"expected 0 or at least {MIN_TEMPERATURE:g}; vLLM knows none between")
        return temperature

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if (self.samples > 1) != (self.temperature > 0):
            raise ValueError(
                f"samples is {self.samples} and temperature {self.temperature:g}; samples of one "
                "prompt differ only at a temperature above 0, and one sample is best taken at 0"
            )
        return self

    @property
    def reasoning_tokens(self) -> int:
        """Tokens a reply may reason."""
        return REASONING_TOKENS[self.reasoning]

    @property
    def max_new_tokens(self) -> int:
        """Tokens of the longest reply."""
        return self.reasoning_tokens + ANSWER_TOKENS

    @property
    def max_prompt_tokens(self) -> int:
        """Tokens of the longest prompt.

        Raises
        ------
        ConfigError
            If replies leave no room for one.
        """
        room = self.max_context_tokens - self.max_new_tokens
        if room < 1:
            raise ConfigError(
                f"max_context_tokens is {self.max_context_tokens}, but a reply with reasoning "
                f"{self.reasoning!r} may take {self.max_new_tokens}; allow more"
            )
        return room


class ReasonerSpec(StrictModel):
    """All that decides an answer besides the question, the model and its examples."""

    checkpoint: str = Field(min_length=1)
    """Hugging Face name or local folder."""
    revision: str | None = None
    """Commit, or digest of a local folder; None if unpinned."""
    template: str
    """SHA-256 of the wording."""
    reasoning: Reasoning
    samples: int = Field(ge=1)
    temperature: float = Field(ge=0, allow_inf_nan=False)
    n_examples: int = Field(ge=1)
    max_context_tokens: int = Field(ge=1)

    def __str__(self) -> str:
        return (
            f"{self.checkpoint}@{self.revision} (reasoning {self.reasoning}, {self.samples} "
            f"samples, temperature {self.temperature:g}, {self.n_examples} examples)"
        )

    @classmethod
    def from_config(cls, config: ReasonerConfig) -> Self:
        """Pin down what `config` names.

        Raises
        ------
        ConfigError
            If its checkpoint is no folder of one, or its template cannot be used.
        """
        return cls(
            checkpoint=config.checkpoint,
            revision=resolve_revision(config.checkpoint, config.revision),
            template=Template.load(config.template).digest,
            reasoning=config.reasoning,
            samples=config.samples,
            temperature=config.temperature,
            n_examples=config.n_examples,
            max_context_tokens=config.max_context_tokens,
        )

    def differences(self, other: "ReasonerSpec") -> tuple[str, ...]:
        """Name the fields in which two reasoners differ.

        The name of the checkpoint is none of them where both have the same known revision:
        a folder may have been moved.
        """
        ours, theirs = self.model_dump(), other.model_dump()
        differing = [name for name in ours if ours[name] != theirs[name]]
        if self.revision is not None and self.revision == other.revision:
            differing = [name for name in differing if name != "checkpoint"]
        return tuple(differing)


def is_local_path(checkpoint: str) -> bool:
    """Say whether `checkpoint` is meant as a folder: it is one, or is written like a path.

    Examples
    --------
    >>> is_local_path("Cooolder/SCOPE"), is_local_path("./scope"), is_local_path("/models/scope")
    (False, True, True)
    """
    written_so = checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") > 1
    return written_so or Path(checkpoint).is_dir()


def resolve_revision(checkpoint: str, revision: str | None) -> str | None:
    """Return the revision of a checkpoint: the digest of a folder, else `revision`.

    Raises
    ------
    ConfigError
        If it is a folder that is not there or not of a checkpoint.
    """
    if not is_local_path(checkpoint):
        return revision
    check_folder(checkpoint)
    return folder_digest(Path(checkpoint), CHECKPOINT_FILE_PATTERNS)


def check_folder(checkpoint: str) -> None:
    """Refuse a folder that is not there, or is not of a checkpoint.

    Raises
    ------
    ConfigError
        Naming what it lacks.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        raise ConfigError(
            f"checkpoint {checkpoint!r} is not there; "
            "expected a Hugging Face name or a folder of one checkpoint"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(f"checkpoint {checkpoint!r} has no config.json; expected one of a model")
    if not any(folder.glob("tokenizer*")):
        raise ConfigError(f"checkpoint {checkpoint!r} has no tokenizer; save it in the same folder")
