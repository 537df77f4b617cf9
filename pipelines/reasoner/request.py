"""What a reasoner was asked in one run, and what that took."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.embedding.encoder_actor import Batch
from collections.abc import Mapping, Sequence
from pathlib import Path

from scope.arrays import BoolArray, IntArray
from scope.bank import Bank
from scope.reasoner import (
    AnswerKey,
    EngineConfig,
    ReasonerConfig,
    ReasonerPredictions,
    ReasonerSpec,
)

HOUR_S = 3_600.0


@dataclass(slots=True)
class ReasonerUsage:
    """Counts of one run; what earlier runs have asked is only ``n_known``.

    Attributes
    ----------
    n_wanted : int
        Answers wanted, of this run and of earlier ones.
    n_known : int
        Of these, known before; or wanted twice, and asked once.
    gpus : int
        Of one engine; 0 on a CPU.
    n_asked, n_failed : int
        Prompts of this run, and those among them that came to no answer.
    prompt_tokens, cached_tokens, generated_tokens : int
        Read, of these not computed as the prefix cache had them, and written.
    """

    n_wanted: int = 0
    n_known: int = 0
    gpus: int = 0
    n_queried: int = 0
    n_failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    _lives: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Of each engine's worker: when it came up, its first prompt began and its last ended."""

    def count(self, batch: "Batch", n_failed: int) -> None:
        """Count answered prompts."""
        self.n_queried += len(batch["row"])
        self.n_failed += n_failed
        self.prompt_tokens += int(batch["prompt_tokens"].sum())
        self.cached_tokens += int(batch["cached_tokens"].sum())
        self.generated_tokens += int(batch["generated_tokens"].sum())
        whens = zip(batch["engine"], batch["up_s"], batch["begun_s"], batch["ended_s"], strict=True)
        for name, up_s, begun_s, ended_s in whens:
            _, first_s, last_s = self._lives.get(name, (up_s, begun_s, ended_s))
            self._lives[name] = (up_s, min(first_s, begun_s), max(last_s, ended_s))

    @property
    def seconds(self) -> float:
        """Seconds from the first prompt that an engine began to the last that one ended."""
        if not self._lives:
            return 0.0
        _, begun_s, ended_s = zip(*self._lives.values(), strict=True)
        return float(max(ended_s) - min(begun_s))

    @property
    def engine_seconds(self) -> float:
        """Seconds that engines were held, their start included, all engines together."""
        return float(sum(ended_s - up_s for up_s, _, ended_s in self._lives.values()))

    @property
    def hit_rate(self) -> float | None:
        """Share of the prompt tokens that the prefix cache had; None if nothing was read."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    @property
    def gpu_hours(self) -> float | None:
        """Hours of a GPU that were held; None on a CPU."""
        return self.engine_seconds * self.gpus / HOUR_S if self.gpus else None

    def per_second(self, tokens: int) -> float | None:
        """Return `tokens` per second of asking, engine start excluded; None if none was asked."""
        return tokens / self.seconds if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """Return all of it for a machine; None is unknown."""
        return {
            "wanted": self.n_wanted,
            "from_cache": self.n_known,
            "asked": self.n_queried,
            "failed": self.n_failed,
            "prompt_tokens": self.prompt_tokens,
            "generated_tokens": self.generated_tokens,
            "prompt_tokens_per_s": self.per_second(self.prompt_tokens),
            "generated_tokens_per_s": self.per_second(self.generated_tokens),
            "prefix_cache_hit_rate": self.hit_rate,
            "engine_hours": self.engine_seconds / HOUR_S,
            "gpu_hours": self.gpu_hours,
        }

    def __str__(self) -> str:
        if not self.n_wanted:
            return "the reasoner has earned no say with this bank: nothing was asked"
        told = (
            f"{self.n_wanted:,} answers: {self.n_known:,} from the cache, {self.n_queried:,} asked"
        )
        if self.n_failed:
            told += f", {self.n_failed:,} of them failed"
        if not self._lives:
            return told
        read, wrote = self.per_second(self.prompt_tokens), self.per_second(self.generated_tokens)
        hours = self.engine_seconds / HOUR_S
        took = f"{self.gpu_hours:.2g} GPU-hours" if self.gpus else f"{hours:.2g} hours on a CPU"
        return (
            f"{told}; {read or 0:,.0f} prompt tokens/s ({100 * (self.hit_rate or 0):.0f} % from "
            f"the prefix cache), {wrote or 0:,.0f} generated/s; about {took}"
        )


@dataclass(frozen=True, slots=True)
class ReasonerRun:
    """Who is asked, and by what means."""

    config: ReasonerConfig
    spec: ReasonerSpec
    engine: EngineConfig
    n_engines: int = 1
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """What is asked: which models would be right on which questions.

    Attributes
    ----------
    questions : sequence of str
        Their texts.
    self_anchors : sequence of str or None
        The anchor that each is itself; None if it is none.
    wanted_qm : ndarray of shape (n_questions, n_models)
    bank : Bank
        Whose models are asked about, and whose anchors are the examples.
    evidence : str
        Digest of those (`scope.bank.store.evidence`).
    """

    questions: Sequence[str]
    self_anchors: Sequence[str | None]
    wanted_qm: BoolArray
    bank: Bank
    evidence: str

    def keys(self, cells: IntArray) -> list[AnswerKey]:
        """Return what is asked in some cells; `cells` has shape (n, 2): question and model."""
        ids = self.bank.model_ids
        return [
            AnswerKey(ids[m], self.self_anchors[q], self.questions[q]) for q, m in cells.tolist()
        ]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What came of an inquiry.

    Attributes
    ----------
    answers : ReasonerPredictions
        NaN where nothing was asked, or no answer came.
    errors : mapping of (question, model) to str
        Why there is none where one was wanted.
    tally : ReasonerUsage
    """

    answers: ReasonerPredictions
    errors: Mapping[tuple[int, int], str]
    usage: ReasonerUsage

    def error_messages(self, rows: IntArray, models: Sequence[str]) -> dict[int, str]:
        """Say of each of some questions why an answer is missing, if one is: the first reason."""
        wanted, found = set(rows.tolist()), dict[int, str]()
        for (row, m), error in self.errors.items():
            if row in wanted:
                found.setdefault(row, f"no answer about {models[m]}: {error}")
        return found
