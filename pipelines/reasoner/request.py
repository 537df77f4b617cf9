"""The input and the result of querying the reasoner in one run, and what it used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope.arrays import BoolArray, IntArray
from scope.bank import Bank
from scope.reasoner import (
    AnswerKey,
    EngineConfig,
    ReasonerConfig,
    ReasonerPredictions,
    ReasonerSpec,
)

if TYPE_CHECKING:
    from pipelines.embedding.encoder_actor import Batch

HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class ReasonerRun:
    """The reasoner of a run, its engines and its cache."""

    config: ReasonerConfig
    spec: ReasonerSpec
    engine: EngineConfig
    n_engines: int = 1
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """The queries of one run: (question, model) cells, each "is the model right?".

    Attributes
    ----------
    questions : sequence of str
        Texts of the questions.
    self_anchors : sequence of str or None
        Id of each question that is itself an anchor, else None.
    wanted_qm : ndarray of bool, shape (n_questions, n_models)
    bank : Bank
        Its models are the columns; its anchors are the examples in the prompts.
    evidence : str
        Digest of the anchors and their outcomes (`scope.bank.content_digest`).
    """

    questions: Sequence[str]
    self_anchors: Sequence[str | None]
    wanted_qm: BoolArray
    bank: Bank
    evidence: str

    def keys(self, cells: IntArray) -> list[AnswerKey]:
        """Return the cache keys of `cells`, an array of (question, model) indices."""
        models = self.bank.model_ids
        return [
            AnswerKey(models[m], self.self_anchors[q], self.questions[q]) for q, m in cells.tolist()
        ]


@dataclass(slots=True)
class ReasonerUsage:
    """Counts of one run.

    Attributes
    ----------
    n_requested : int
        Answers requested, cached ones included.
    n_cached : int
        Of these, found in the cache, or repeats of another request.
    gpus : int
        GPUs of one engine; 0 on a CPU.
    n_queried, n_failed : int
        Answers queried from an engine in this run, and how many of them failed.
    n_prompts : int
        Prompts that these answers took: as many, or with form ``pool`` one for each question.
    prompt_tokens, cached_tokens, generated_tokens : int
        Tokens read, tokens among them found in the prefix cache, and tokens written.
    """

    n_requested: int = 0
    n_cached: int = 0
    gpus: int = 0
    n_queried: int = 0
    n_failed: int = 0
    n_prompts: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    _times_s: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Times of each engine: its start, the start of its first prompt, the end of its last."""

    def count(self, batch: "Batch", n_queried: int, n_failed: int) -> None:
        """Count one batch of prompts and its answers, `n_failed` of which are errors."""
        self.n_prompts += len(batch["row"])
        self.n_queried += n_queried
        self.n_failed += n_failed
        self.prompt_tokens += int(batch["prompt_tokens"].sum())
        self.cached_tokens += int(batch["cached_tokens"].sum())
        self.generated_tokens += int(batch["generated_tokens"].sum())
        columns = (batch[name] for name in ("engine", "up_s", "begun_s", "ended_s"))
        for engine, up_s, begun_s, ended_s in zip(*columns, strict=True):
            _, first_s, last_s = self._times_s.get(engine, (up_s, begun_s, ended_s))
            self._times_s[engine] = (up_s, min(first_s, begun_s), max(last_s, ended_s))

    @property
    def seconds(self) -> float:
        """Seconds from the start of the first prompt to the end of the last, over all engines."""
        if not self._times_s:
            return 0.0
        _, begun_s, ended_s = zip(*self._times_s.values(), strict=True)
        return float(max(ended_s) - min(begun_s))

    @property
    def engine_seconds(self) -> float:
        """Seconds that engines were running, their start included, summed over engines."""
        return float(sum(ended_s - up_s for up_s, _, ended_s in self._times_s.values()))

    @property
    def prefix_cache_hit_rate(self) -> float | None:
        """Share of prompt tokens found in the prefix cache; None without prompt tokens."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    @property
    def gpu_hours(self) -> float | None:
        """GPU-hours used; None on a CPU."""
        return self.engine_seconds * self.gpus / HOUR_S if self.gpus else None

    def per_second(self, n_tokens: int) -> float | None:
        """Return `n_tokens` per second, engine start excluded; None if nothing was queried."""
        return n_tokens / self.seconds if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """Return all counts and rates; None is unknown."""
        return {
            "n_requested": self.n_requested,
            "n_cached": self.n_cached,
            "n_queried": self.n_queried,
            "n_failed": self.n_failed,
            "n_prompts": self.n_prompts,
            "prompt_tokens": self.prompt_tokens,
            "generated_tokens": self.generated_tokens,
            "prompt_tokens_per_s": self.per_second(self.prompt_tokens),
            "generated_tokens_per_s": self.per_second(self.generated_tokens),
            "prefix_cache_hit_rate": self.prefix_cache_hit_rate,
            "engine_hours": self.engine_seconds / HOUR_S,
            "gpu_hours": self.gpu_hours,
        }

    def __str__(self) -> str:
        if not self.n_requested:
            return "the reasoner has weight 0 with this bank: it was not queried"
        text = (
            f"{self.n_requested:,} answers: {self.n_cached:,} from the cache, "
            f"{self.n_queried:,} queried"
        )
        if self.n_prompts < self.n_queried:
            text += f" in {self.n_prompts:,} prompts"
        if self.n_failed:
            text += f", {self.n_failed:,} of them failed"
        if not self._times_s:
            return text
        prompt_rate = self.per_second(self.prompt_tokens) or 0
        generated_rate = self.per_second(self.generated_tokens) or 0
        hours = self.engine_seconds / HOUR_S
        used = f"{self.gpu_hours:.2g} GPU-hours" if self.gpus else f"{hours:.2g} hours on a CPU"
        return (
            f"{text}; {prompt_rate:,.0f} prompt tokens/s "
            f"({100 * (self.prefix_cache_hit_rate or 0):.0f} % from the prefix cache), "
            f"{generated_rate:,.0f} generated/s; about {used}"
        )


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answers to a `QueryBatch`.

    Attributes
    ----------
    answers : ReasonerPredictions
        NaN where there was no query or it failed.
    errors : mapping of (question, model) to str
        Why a query failed.
    usage : ReasonerUsage
    """

    answers: ReasonerPredictions
    errors: Mapping[tuple[int, int], str]
    usage: ReasonerUsage

    def error_messages(self, rows: IntArray, models: Sequence[str]) -> dict[int, str]:
        """Return the first error of each question in `rows` that has one."""
        wanted, messages = set(rows.tolist()), dict[int, str]()
        for (row, m), error in self.errors.items():
            if row in wanted:
                messages.setdefault(row, f"no answer about {models[m]}: {error}")
        return messages
