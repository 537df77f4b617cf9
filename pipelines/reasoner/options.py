"""Settings of the reasoner from flags, file and bank, and whether the bank can be used with it."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines.config import JobConfig
from pipelines.reasoner.request import ReasonerRun
from scope.bank import Bank
from scope.config import parse
from scope.errors import ConfigError
from scope.reasoner import (
    TRAINED_TEMPLATE,
    EngineConfig,
    ReasonerConfig,
    ReasonerSpec,
    TrainingRecord,
    is_local_path,
)

PREDICTORS = ("anchors", "scope")

CACHE = "~/.cache/scope-router/answers"

SAMPLED_TEMPERATURE = 1.0
"""Default temperature with several samples: the distribution of the checkpoint."""


@dataclass(frozen=True, slots=True)
class ReasonerFlags:
    """Flags as the user gives them; None if not given."""

    checkpoint: str | None = None
    revision: str | None = None
    reasoning: str | None = None
    samples: int | None = None
    tensor_parallel: int | None = None
    llm_replicas: int | None = None

    def given(self) -> list[str]:
        """Return the names of the flags that are given."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return [f"--{name.replace('_', '-')}" for name, value in named.items() if value is not None]


@dataclass(frozen=True, slots=True)
class ReasonerOptions:
    """The reasoner to query, as the user names it."""

    flags: ReasonerFlags = field(default_factory=ReasonerFlags)
    config: JobConfig = field(default_factory=JobConfig)
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""

    def run(self, bank: Bank) -> ReasonerRun:
        """Check that the reasoner can be queried with `bank`, and return its run.

        Raises
        ------
        ConfigError
            If the bank's texts, the checkpoint or vLLM is missing, or a setting is wrong.
        """
        from pipelines.cluster.capacity import check_vllm
        from pipelines.reasoner.prompt_actor import load_prompts

        bank.require_prompts()
        config = self._config(bank)
        spec = ReasonerSpec.from_config(config)
        check_vllm()
        load_prompts(bank, config)  # raises if tokenizer, template or context is wrong
        engine = self.config.engine
        if self.flags.tensor_parallel is not None:
            changed = {**engine.model_dump(), "tensor_parallel": self.flags.tensor_parallel}
            engine = parse(EngineConfig, changed, "the engine")
        return ReasonerRun(config, spec, engine, self.flags.llm_replicas or 1, self.cache)

    def fitted_run(self, bank: Bank) -> ReasonerRun:
        """Return the run of the reasoner that `bank` is fitted for.

        Raises
        ------
        ConfigError
            If the bank is fitted for no reasoner or another one; names what differs.
        """
        bank.require_reasoner()
        reasoner = self.run(bank)
        # The bank's path of the checkpoint is part of the cache key, also after a move.
        return replace(reasoner, spec=bank.require_reasoner(reasoner.spec).spec)

    def _config(self, bank: Bank) -> ReasonerConfig:
        """Return the settings: from flags, else from the file, else from the bank."""
        base: dict[str, Any] = {}
        if self.config.reasoner is not None:
            base = self.config.reasoner.model_dump()
        elif bank.reasoner is not None:
            spec = bank.reasoner.spec
            base = {**_trained_settings(spec.checkpoint), **_settings(spec)}
        flags = self.flags
        if flags.checkpoint is not None and flags.checkpoint != base.get("checkpoint"):
            trained = {} if self.config.reasoner else _trained_settings(flags.checkpoint)
            base = {**base, **trained, "checkpoint": flags.checkpoint, "revision": None}
        if "checkpoint" not in base:
            raise ConfigError(
                "--checkpoint is missing; expected a Hugging Face name or a checkpoint's folder"
            )
        given = {"revision": flags.revision, "reasoning": flags.reasoning, "samples": flags.samples}
        base |= {name: value for name, value in given.items() if value is not None}
        if flags.samples is not None:
            sampled = base.get("temperature") or SAMPLED_TEMPERATURE
            base["temperature"] = sampled if flags.samples > 1 else 0.0
        config = parse(ReasonerConfig, base, "the reasoner")
        # Workers have another working directory: paths must be absolute.
        absolute: dict[str, Any] = {
            "template": config.template and config.template.expanduser().resolve()
        }
        if is_local_path(config.checkpoint):
            absolute["checkpoint"] = str(Path(config.checkpoint).expanduser().resolve())
        return config.model_copy(update=absolute)


def answer_cache_folder() -> Path:
    """Return the folder of cached answers: ``answers`` in ``SCOPE_CACHE``, else `CACHE`."""
    folder = os.environ.get("SCOPE_CACHE")
    return Path(folder).expanduser() / "answers" if folder else Path(CACHE).expanduser()


def uses_reasoner(predictor: str, flags: ReasonerFlags) -> bool:
    """Return whether ``--predictor`` names the reasoner.

    Raises
    ------
    ConfigError
        If the value is unknown, or flags of the reasoner are given without it.
    """
    if predictor not in PREDICTORS:
        raise ConfigError(f"--predictor is {predictor!r}; expected {' or '.join(PREDICTORS)}")
    if predictor == "anchors" and flags.given():
        raise ConfigError(f"{', '.join(flags.given())} needs --predictor scope")
    return predictor == "scope"


def _trained_settings(checkpoint: str) -> dict[str, Any]:
    """Return the prompts and replies that a checkpoint was trained on; empty if unknown."""
    record = TrainingRecord.read(checkpoint)
    if record is None:
        return {}
    return {
        "form": record.form,
        "reasoning": record.reasoning,
        "n_examples": record.n_examples,
        "max_context_tokens": record.max_context_tokens,
        "template": Path(checkpoint) / TRAINED_TEMPLATE,
    }


def _settings(spec: ReasonerSpec) -> dict[str, Any]:
    """Return the settings of a bank's reasoner; the path of its template is not stored."""
    settings = spec.model_dump(exclude={"template"})
    # The revision of a local folder is the digest of its files: it cannot be chosen.
    return {**settings, "revision": None} if is_local_path(spec.checkpoint) else settings
