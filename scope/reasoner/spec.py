"""The reasoner's configuration, and the specification that pins it down."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from scope.config import StrictModel
from scope.errors import ConfigError
from scope.reasoner.template import PoolTemplate, SandboxedTemplate, Template
from scope.storage import WEIGHT_FILE_PATTERNS, folder_digest

Reasoning = Literal["full", "short", "none"]

PromptForm = Literal["model", "pool"]
"""A prompt for each model, or one prompt for the whole pool."""

TEMPLATE_OF: dict[PromptForm, type[SandboxedTemplate]] = {"model": Template, "pool": PoolTemplate}

REASONING_TOKENS: dict[Reasoning, int] = {"full": 1_536, "short": 96, "none": 0}
"""Most reasoning tokens before the answer is forced; 1,536 as in the reference."""

MIN_TEMPERATURE = 0.01

ANSWER_TOKENS = 48
"""Tokens for the parts around the reasoning: headings, the block, and the end of the turn."""

LINE_TOKENS = 32
"""Tokens for each further line of a reply of form ``pool``: it has at most 28 characters, of
which a checkpoint may make a token each."""

CHECKPOINT_FILE_PATTERNS = (*WEIGHT_FILE_PATTERNS, "*.jinja")
"""Files of a checkpoint that determine its replies; ``*.jinja`` holds the chat template."""


class ReasonerConfig(StrictModel):
    """Checkpoint of the reasoner, and how it is queried."""

    checkpoint: str = Field(min_length=1)
    """Hugging Face name or local folder."""
    revision: str | None = None
    """Commit of a Hugging Face name; None takes the latest commit of the hub."""
    trust_remote_code: bool = False
    """Let the checkpoint run its own Python code."""
    form: PromptForm = "model"
    """Prompts: one for each model, or one for the whole pool."""
    reasoning: Reasoning = "none"
    """Length of the reasoning; ``none`` forces the answer at once."""
    samples: int = Field(default=1, ge=1)
    """Replies to one prompt; their answers are averaged."""
    temperature: float = Field(default=0.0, ge=0, le=2, allow_inf_nan=False)
    """Sampling temperature; the probability of the answer is reported at temperature 1."""
    n_examples: int = Field(default=5, ge=1)
    """Number of examples: the nearest anchors on which the target model was measured."""
    max_context_tokens: int = Field(default=8_192, ge=1)
    """Tokens of prompt and reply together."""
    template: Path | None = None
    """Jinja template of the prompt; None takes the default template."""

    @field_validator("temperature")
    @classmethod
    def _temperature_is_valid_for_vllm(cls, temperature: float) -> float:
        if 0 < temperature < MIN_TEMPERATURE:
            raise ValueError(
                f"expected 0 or at least {MIN_TEMPERATURE:g}; vLLM accepts no value between"
            )
        return temperature

    @model_validator(mode="after")
    def _temperature_fits_samples(self) -> Self:
        if (self.samples > 1) != (self.temperature > 0):
            raise ValueError(
                f"samples is {self.samples} and temperature {self.temperature:g}; several samples "
                "need a temperature above 0, and a single sample needs temperature 0"
            )
        return self

    @property
    def reasoning_tokens(self) -> int:
        """Most reasoning tokens of a reply."""
        return REASONING_TOKENS[self.reasoning]

    def max_new_tokens(self, n_models: int = 1) -> int:
        """Return the length of the longest reply, about `n_models` with form ``pool``."""
        further_lines = n_models - 1 if self.form == "pool" else 0
        return self.reasoning_tokens + ANSWER_TOKENS + LINE_TOKENS * further_lines

    def max_prompt_tokens(self, n_models: int = 1) -> int:
        """Return the length of the longest prompt, about `n_models` with form ``pool``.

        Raises
        ------
        ConfigError
            If replies leave no room for a prompt.
        """
        n_reply = self.max_new_tokens(n_models)
        max_tokens = self.max_context_tokens - n_reply
        if max_tokens < 1:
            about = f" about {n_models} models" if self.form == "pool" else ""
            raise ConfigError(
                f"max_context_tokens is {self.max_context_tokens}, but a reply{about} with "
                f"reasoning {self.reasoning!r} may take {n_reply}; raise max_context_tokens"
            )
        return max_tokens


class ReasonerSpec(StrictModel):
    """Everything that determines an answer besides the question, the model and the examples."""

    checkpoint: str = Field(min_length=1)
    """Hugging Face name or local folder."""
    revision: str | None = None
    """Commit, or digest of a local folder; None if unpinned."""
    template: str
    """SHA-256 of the template's text."""
    form: PromptForm = "model"
    reasoning: Reasoning
    samples: int = Field(ge=1)
    temperature: float = Field(ge=0, allow_inf_nan=False)
    n_examples: int = Field(ge=1)
    max_context_tokens: int = Field(ge=1)

    def __str__(self) -> str:
        form = "one prompt for the pool, " if self.form == "pool" else ""
        return (
            f"{self.checkpoint}@{self.revision} ({form}reasoning {self.reasoning}, {self.samples} "
            f"samples, temperature {self.temperature:g}, {self.n_examples} examples)"
        )

    @classmethod
    def from_config(cls, config: ReasonerConfig) -> Self:
        """Return the specification of a configured reasoner.

        Raises
        ------
        ConfigError
            If the checkpoint is a folder without a checkpoint, or the template is invalid.
        """
        return cls(
            checkpoint=config.checkpoint,
            revision=resolve_revision(config.checkpoint, config.revision),
            template=TEMPLATE_OF[config.form].load(config.template).digest,
            form=config.form,
            reasoning=config.reasoning,
            samples=config.samples,
            temperature=config.temperature,
            n_examples=config.n_examples,
            max_context_tokens=config.max_context_tokens,
        )

    def differences(self, other: "ReasonerSpec") -> tuple[str, ...]:
        """Return the names of the fields in which two reasoners differ.

        Where both have the same known revision, the name of the checkpoint does not count: the
        folder may have been moved.
        """
        ours, theirs = self.model_dump(), other.model_dump()
        differing = [name for name in ours if ours[name] != theirs[name]]
        if self.revision is not None and self.revision == other.revision:
            differing = [name for name in differing if name != "checkpoint"]
        return tuple(differing)


def is_local_path(checkpoint: str) -> bool:
    """Return whether `checkpoint` is a folder or is written like a path.

    Examples
    --------
    >>> is_local_path("Cooolder/SCOPE"), is_local_path("./scope"), is_local_path("/models/scope")
    (False, True, True)
    """
    looks_like_path = checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") > 1
    return looks_like_path or Path(checkpoint).is_dir()


def resolve_revision(checkpoint: str, revision: str | None) -> str | None:
    """Return the revision of a checkpoint: the digest of a folder, else `revision`.

    Raises
    ------
    ConfigError
        If `checkpoint` is a path, but not the folder of a checkpoint.
    """
    if not is_local_path(checkpoint):
        return revision
    check_folder(checkpoint)
    return folder_digest(Path(checkpoint), CHECKPOINT_FILE_PATTERNS)


def check_folder(checkpoint: str) -> None:
    """Check that `checkpoint` is a folder with a model configuration and a tokenizer.

    Raises
    ------
    ConfigError
        If it is not; the message names what is missing.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        raise ConfigError(
            f"checkpoint {checkpoint!r} does not exist; "
            "expected a Hugging Face name or a folder of one checkpoint"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(f"checkpoint {checkpoint!r} has no config.json; expected that of a model")
    if not any(folder.glob("tokenizer*")):
        raise ConfigError(f"checkpoint {checkpoint!r} has no tokenizer; save it in the same folder")
