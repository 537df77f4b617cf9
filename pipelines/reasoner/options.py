"""What flags say about the reasoner, and whether it can be asked with a bank."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines.config import JobConfig
from pipelines.reasoner.request import ReasonerRun
from scope.bank import Bank
from scope.config import parse
from scope.errors import ConfigError
from scope.reasoner import EngineConfig, ReasonerConfig, ReasonerSpec, is_local_path

PREDICTORS = ("anchors", "scope")

CACHE = "~/.cache/scope-router/answers"

SAMPLED_TEMPERATURE = 1.0
"""Of several samples where nobody says another: replies as likely as the checkpoint has them."""


@dataclass(frozen=True, slots=True)
class ReasonerFlags:
    """As a user gives them; None where nothing is said."""

    checkpoint: str | None = None
    revision: str | None = None
    reasoning: str | None = None
    samples: int | None = None
    tensor_parallel: int | None = None
    llm_replicas: int | None = None

    def given(self) -> list[str]:
        """Return the flags that say something."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return [f"--{name.replace('_', '-')}" for name, value in named.items() if value is not None]


@dataclass(frozen=True, slots=True)
class ReasonerOptions:
    """Who is to be asked, as a user names it."""

    flags: ReasonerFlags = field(default_factory=ReasonerFlags)
    config: JobConfig = field(default_factory=JobConfig)
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""

    def reasoner(self, bank: Bank) -> ReasonerRun:
        """Return the reasoner, once it is sure that it can be asked about this bank's models.

        Raises
        ------
        ConfigError
            If the bank's texts, the checkpoint or vLLM is missing, or a setting is wrong.
        """
        from pipelines.cluster.capacity import check_vllm
        from pipelines.reasoner.prompt_actor import make_prompt_builder

        bank.require_prompts()
        config = self._config(bank)
        spec = ReasonerSpec.from_config(config)
        check_vllm()
        make_prompt_builder(config)  # finds what is wrong with tokenizer and template
        engine = self.config.engine
        if self.flags.tensor_parallel is not None:
            changed = {**engine.model_dump(), "tensor_parallel": self.flags.tensor_parallel}
            engine = parse(EngineConfig, changed, "the engine")
        return ReasonerRun(config, spec, engine, self.flags.llm_replicas or 1, self.cache)

    def for_bank(self, bank: Bank) -> ReasonerRun:
        """Return the same, if it is the one that the bank knows the worth of.

        Raises
        ------
        ConfigError
            If the bank was calibrated for none or for another; names what differs.
        """
        bank.require_reasoner()
        reasoner = self.reasoner(bank)
        # The bank's own spec: answers are cached under it even if the checkpoint was moved.
        return replace(reasoner, spec=bank.require_reasoner(reasoner.spec).spec)

    def _config(self, bank: Bank) -> ReasonerConfig:
        """Return the settings: what flags say, else the file, else the bank's."""
        base: dict[str, Any] = {}
        if self.config.reasoner is not None:
            base = self.config.reasoner.model_dump()
        elif bank.reasoner is not None:
            base = _settings(bank.reasoner.spec)
        flags = self.flags
        if flags.checkpoint is not None and flags.checkpoint != base.get("checkpoint"):
            base = {**base, "checkpoint": flags.checkpoint, "revision": None}
        if "checkpoint" not in base:
            raise ConfigError(
                "--checkpoint is missing; expected a Hugging Face name or a checkpoint's folder"
            )
        said = {"revision": flags.revision, "reasoning": flags.reasoning, "samples": flags.samples}
        base |= {name: value for name, value in said.items() if value is not None}
        if flags.samples is not None:
            warm = base.get("temperature") or SAMPLED_TEMPERATURE
            base["temperature"] = warm if flags.samples > 1 else 0.0
        config = parse(ReasonerConfig, base, "the reasoner")
        # Workers stand elsewhere: files need their whole names.
        whole: dict[str, Any] = {
            "template": config.template and config.template.expanduser().resolve()
        }
        if is_local_path(config.checkpoint):
            whole["checkpoint"] = str(Path(config.checkpoint).expanduser().resolve())
        return config.model_copy(update=whole)


def answer_cache_folder() -> Path:
    """Return the folder that keeps answers: below ``SCOPE_CACHE``, else `CACHE`."""
    given = os.environ.get("SCOPE_CACHE")
    return Path(given).expanduser() / "answers" if given else Path(CACHE).expanduser()


def uses_reasoner(predictor: str, flags: ReasonerFlags) -> bool:
    """Say whether ``--predictor`` names the reasoner.

    Raises
    ------
    ConfigError
        If it names nothing we know, or flags speak of a reasoner that is not asked.
    """
    if predictor not in PREDICTORS:
        raise ConfigError(f"--predictor is {predictor!r}; expected {' or '.join(PREDICTORS)}")
    if predictor == "anchors" and flags.given():
        raise ConfigError(f"{', '.join(flags.given())} needs --predictor scope")
    return predictor == "scope"


def _settings(spec: ReasonerSpec) -> dict[str, Any]:
    """Return what a configuration says of a known reasoner; of its template nothing is kept."""
    known = spec.model_dump(exclude={"template"})
    # The revision of a folder is what is in it, not what is asked of it.
    return {**known, "revision": None} if is_local_path(spec.checkpoint) else known
