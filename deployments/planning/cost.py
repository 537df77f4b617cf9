"""What a plan costs: USD a month at given prices, and GPU hours of offline scoring."""

import math
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from scope.config import StrictModel, Usd, parse
from scope.errors import ConfigError, one_line
from scope.text_files import read_text
from scope.yaml_text import parse_yaml

HOURS_PER_MONTH = 730.0
"""A twelfth of a year."""


class NodeType(StrictModel):
    """A machine that can be rented."""

    name: str
    cpus: float = Field(ge=0.01, allow_inf_nan=False)
    gpus: int = Field(default=0, ge=0)
    usd_per_hour: Usd


class ComputePrices(StrictModel):
    """Prices of computing: by the hour of a CPU and a GPU, or by the machine.

    A price that is not given is unknown, and so is then what a plan costs.
    """

    usd_per_cpu_hour: Usd | None = None
    usd_per_gpu_hour: Usd | None = None
    node_types: tuple[NodeType, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.node_types and (self.usd_per_cpu_hour or self.usd_per_gpu_hour):
            raise ValueError("give node_types, or prices by the hour of a CPU and GPU, not both")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON or YAML file.

        Raises
        ------
        ConfigError
            If it cannot be read or holds anything else.
        """
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {one_line(error)}") from error
        return parse(cls, parse_yaml(text, str(path)), str(path))

    def nodes_for(self, cpus: float, gpus: float) -> tuple[NodeType, int] | None:
        """Return the kind of machine that is cheapest for all, and how many; None if none fits."""
        options = []
        for node in self.node_types:
            if gpus and not node.gpus:
                continue
            count = max(1, math.ceil(cpus / node.cpus), math.ceil(gpus / node.gpus) if gpus else 0)
            options.append((count * node.usd_per_hour, node.name, node, count))
        if not options:
            return None
        _, _, node, count = min(options, key=lambda option: option[:2])
        return node, count

    def usd_per_hour(self, cpus: float, gpus: float) -> float | None:
        """Return the price of an hour of so many CPUs and GPUs; None if it is unknown.

        Examples
        --------
        >>> prices = ComputePrices(usd_per_cpu_hour=0.04)
        >>> prices.usd_per_hour(10, 0), prices.usd_per_hour(10, 1)
        (0.4, None)
        """
        if self.node_types:
            nodes = self.nodes_for(cpus, gpus)
            return nodes and nodes[0].usd_per_hour * nodes[1]
        parts = []
        for count, price in ((cpus, self.usd_per_cpu_hour), (gpus, self.usd_per_gpu_hour)):
            if count:
                if price is None:
                    return None
                parts.append(count * price)
        return sum(parts)


UNKNOWN_PRICES = ComputePrices()


class OfflineScoring(StrictModel):
    """A set of questions that the reasoner is queried about, one query for each model.

    One prompt for a whole pool is one query: ``models`` is then 1.
    """

    questions: int = Field(ge=1)
    models: int = Field(ge=1)
    query_tokens: float = Field(gt=0, allow_inf_nan=False)
    """Of a prompt with its examples."""
    answer_tokens: float = Field(gt=0, allow_inf_nan=False)
    engine_tokens_per_s: float = Field(gt=0, allow_inf_nan=False)
    """Tokens, of prompts and answers, that one engine processes in a second."""
    gpus_per_engine: int = Field(default=1, ge=0)
    """0 if the engine runs on a CPU."""

    @property
    def queries(self) -> int:
        """Number of queries."""
        return self.questions * self.models

    @property
    def tokens(self) -> float:
        """Tokens of all queries and answers."""
        return self.queries * (self.query_tokens + self.answer_tokens)

    @property
    def engine_hours(self) -> float:
        """Hours of one engine.

        Examples
        --------
        1,000 questions about 10 models, 3,600 tokens each, at 1,000 tokens a second:

        >>> OfflineScoring(
        ...     questions=1000, models=10, query_tokens=3590.0, answer_tokens=10.0,
        ...     engine_tokens_per_s=1000.0,
        ... ).engine_hours
        10.0
        """
        return self.tokens / self.engine_tokens_per_s / 3600

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU; engines share nothing, so that their number does not change it."""
        return self.engine_hours * self.gpus_per_engine
