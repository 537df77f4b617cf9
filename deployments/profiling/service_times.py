"""The file of ``scope bench-replica``: how long one replica of each deployment takes."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from deployments.profiling.process_cpu import PROXY
from scope.arrays import FloatArray
from scope.config import StrictModel, parse
from scope.errors import ConfigError
from scope.storage import read_json

Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
"""No measured time is longer than days."""

HTTP = (PROXY, "Router")
"""What every request passes."""
CALLED = (("Embedder", "SecondEmbedder"), ("Predictor",))
"""What the Router calls for a prompt that is not cached; the calls of a group run at once."""
OPTIONAL = ("SecondEmbedder",)
"""Of these, what runs with some banks only."""


class Machine(StrictModel):
    """Where the times were measured."""

    cpu: str
    """Name of the processor."""
    cores: int = Field(ge=1)
    """Cores that a process may run on."""
    gpu: str | None = None
    """Name of the GPU; None if there is none."""
    load_average: float = Field(ge=0)
    """Processes that wanted a core in the minute before: on a machine that does other work,
    measured times are too long."""
    versions: dict[str, str]
    """Of Python and of the libraries that do the work."""


class BatchTime(StrictModel):
    """Batches of one size, of texts of one length."""

    batch: int = Field(ge=1)
    """Texts or calls."""
    prompt_tokens: int = Field(ge=1)
    """Length of each text, at four characters a token; 1 where it does not matter."""
    median_s: Seconds = Field(gt=0)
    p95_s: Seconds = Field(gt=0)
    cpu_s: Seconds
    """CPU time of a batch, median; unlike `median_s` it does not grow while other programs run."""
    n: int = Field(ge=1)
    """Batches that were timed."""


class BatchLine(StrictModel):
    """The line ``fixed_s + batch * (per_text_s + tokens * per_token_s)`` that fits best."""

    fixed_s: Seconds
    per_text_s: Seconds
    per_token_s: Seconds


class BatchTimes(StrictModel):
    """One replica of a deployment that serves batches, without Serve."""

    device: str
    """``cpu``, or ``cuda`` and its number."""
    threads: int = Field(ge=1)
    """Threads of a replica's matrix products."""
    rows: tuple[BatchTime, ...] = Field(min_length=1)
    line: BatchLine

    @model_validator(mode="after")
    def _is_a_grid(self) -> Self:
        cells = {(row.batch, row.prompt_tokens) for row in self.rows}
        if len(cells) != len(self.batches) * len(self.lengths) or len(cells) != len(self.rows):
            raise ValueError("rows must hold each batch size at each prompt length once")
        return self

    @property
    def batches(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row.batch for row in self.rows})

    @property
    def lengths(self) -> list[int]:
        """Prompt lengths in tokens, ascending."""
        return sorted({row.prompt_tokens for row in self.rows})

    def seconds_n(self, prompt_tokens: float, largest: int) -> FloatArray:
        """Return the time of a batch of 1, 2, ..., `largest` on free cores, s.

        For one thread on a CPU it is the CPU time: the wall time holds waits for other programs.
        Between measured sizes and lengths it is interpolated; beyond the largest batch it goes on
        with the slope of the last two. A prompt shorter or longer than all measured ones counts
        as the nearest of them.
        """
        field = service_field(self.device, self.threads)
        return self._interpolate(field, prompt_tokens, largest)

    def cpu_seconds_n(self, prompt_tokens: float, largest: int) -> FloatArray:
        """Return the CPU time of a batch of 1, 2, ..., `largest`, s, in the same way."""
        return self._interpolate("cpu_s", prompt_tokens, largest)

    def _interpolate(self, field: str, prompt_tokens: float, largest: int) -> FloatArray:
        value = {(row.batch, row.prompt_tokens): float(getattr(row, field)) for row in self.rows}
        sizes = np.arange(1, largest + 1, dtype=np.float64)
        known = [
            float(np.interp(prompt_tokens, self.lengths, [value[b, t] for t in self.lengths]))
            for b in self.batches
        ]
        if len(known) == 1:
            return known[0] / self.batches[0] * sizes
        slope = (known[-1] - known[-2]) / (self.batches[-1] - self.batches[-2])
        beyond = np.maximum(0.0, sizes - self.batches[-1]) * max(0.0, slope)
        # A larger batch never takes less time than a smaller one, whatever the noise.
        return np.maximum.accumulate(np.interp(sizes, self.batches, known) + beyond)


class RequestTimes(StrictModel):
    """HTTP requests to a Serve of one replica each, one after another."""

    n: int = Field(ge=1)
    median_s: Seconds = Field(gt=0)
    p95_s: Seconds = Field(gt=0)
    cpu_s: dict[str, Seconds]
    """CPU time of a request by process: deployments, ``proxy`` and ``other``."""


class ServeTimes(StrictModel):
    """What a request takes through Serve."""

    prompt_tokens: int = Field(ge=1)
    idle_cores: float = Field(ge=0, le=1e4, allow_inf_nan=False)
    """Cores that Ray takes when there is no request."""
    cached: RequestTimes
    """A prompt that the Router has seen: no remote call."""
    uncached: RequestTimes
    """A prompt that it has not: the deployments of `CALLED` are called."""


class RouterTimes(StrictModel):
    """The Router's own code through its ASGI app, with other replicas that answer at once."""

    cached_s: Seconds = Field(gt=0)
    uncached_s: Seconds = Field(gt=0)
    n: int = Field(ge=1)


class EngineTime(StrictModel):
    """The reasoner's engine with so many queries at once."""

    concurrency: int = Field(ge=1)
    prompt_tokens_per_s: float = Field(gt=0, allow_inf_nan=False)
    answer_tokens_per_s: float = Field(gt=0, allow_inf_nan=False)


class ServiceTimes(StrictModel):
    """All that ``scope bench-replica`` measured on one machine."""

    machine: Machine
    serve: ServeTimes
    router: RouterTimes
    deployments: dict[str, BatchTimes]
    """Embedder, Predictor and, where they run, SecondEmbedder, Selector and LearnedRouter."""
    engine: tuple[EngineTime, ...] = ()
    """By concurrency; empty if no engine was measured."""

    @property
    def calls(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `CALLED`, with the deployments that run."""
        return tuple(tuple(name for name in group if name in self.deployments) for group in CALLED)

    @property
    def batched(self) -> tuple[str, ...]:
        """The deployments of all `calls`, which serve batches."""
        return tuple(itertools.chain.from_iterable(self.calls))

    @property
    def stations(self) -> tuple[str, ...]:
        """All that a request may pass."""
        return (*HTTP, *self.batched)

    def call_overhead_s(self, name: str) -> float:
        """Return the CPU time of Serve for one call, in the process of a batched replica, s."""
        own_s = self.deployments[name].cpu_seconds_n(self.serve.prompt_tokens, 1)[0]
        return max(0.0, self.serve.uncached.cpu_s[name] - float(own_s))

    def engine_tokens_per_s(self, query_tokens: float, answer_tokens: float) -> float | None:
        """Return the tokens that an engine processes in a second at its best concurrency.

        Parameters
        ----------
        query_tokens, answer_tokens : float
            Of a prompt, which is read at one rate, and of its answer, which is written at another.

        Returns
        -------
        float or None
            Of both together; None if no engine was measured.
        """
        tokens = query_tokens + answer_tokens
        seconds = [
            query_tokens / row.prompt_tokens_per_s + answer_tokens / row.answer_tokens_per_s
            for row in self.engine
        ]
        return max((tokens / each_s for each_s in seconds), default=None)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises
        ------
        FormatError, ConfigError
            If it is missing or no file of ``scope bench-replica``.
        """
        times = parse(cls, read_json(path), str(path))
        needed_names = {name for group in CALLED for name in group} - {*OPTIONAL}
        if missing := sorted(needed_names - set(times.deployments)):
            raise ConfigError(f"{path} has no times of {', '.join(missing)}; measure it again")
        for name, needed in (("cached", HTTP), ("uncached", times.stations)):
            if missing := sorted({*needed} - set(getattr(times.serve, name).cpu_s)):
                raise ConfigError(
                    f"{path}: serve.{name}.cpu_s lacks {', '.join(missing)}; measure it again"
                )
        return times


def service_field(device: str, threads: int) -> str:
    """Return the field of `BatchTime` that holds the time of a batch on free cores."""
    return "cpu_s" if device == "cpu" and threads == 1 else "median_s"


def fit_line(rows: Sequence[BatchTime], field: str) -> BatchLine:
    """Return the line of least relative error through measured batches; no term is negative.

    Parameters
    ----------
    rows : sequence of BatchTime
    field : str
        As `service_field`.

    Examples
    --------
    >>> rows = [
    ...     BatchTime(batch=b, prompt_tokens=1, cpu_s=0.01 + 0.002 * b, median_s=1, p95_s=1, n=1)
    ...     for b in (1, 2, 4)
    ... ]
    >>> line = fit_line(rows, "cpu_s")
    >>> round(line.fixed_s, 6), round(line.per_text_s + line.per_token_s, 6)
    (0.01, 0.002)
    """
    from scipy.optimize import nnls

    seconds = np.array([getattr(row, field) for row in rows])
    terms = np.array([[1.0, row.batch, row.batch * row.prompt_tokens] for row in rows])
    fixed_s, per_text_s, per_token_s = nnls(terms / seconds[:, None], np.ones(len(rows)))[0]
    return BatchLine(
        fixed_s=float(fixed_s), per_text_s=float(per_text_s), per_token_s=float(per_token_s)
    )
