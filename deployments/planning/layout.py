"""What clients ask for, and the processes that serve it."""

from dataclasses import dataclass, replace
from typing import NamedTuple


class Load(NamedTuple):
    """What clients ask for."""

    requests_per_s: float
    """Of one prompt each; Poisson arrivals."""
    prompt_tokens: float
    hit_rate: float
    """Share of requests whose prompt the Router has cached, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How many processes of each kind run, and on how many cores.

    Attributes
    ----------
    replicas : dict of str to int
        Of each of `ServiceTimes.stations`.
    max_batch_size : dict of str to int
        Of each of `ServiceTimes.batched`.
    cores : int
        Of all machines together; the processes move freely among them.
    background_cores : float
        Cores that other programs take.
    client_cpu_s : float
        CPU time that clients on the same cores take for a request.
    """

    replicas: dict[str, int]
    max_batch_size: dict[str, int]
    cores: int
    background_cores: float = 0.0
    client_cpu_s: float = 0.0

    def with_more(self, station: str) -> "Layout":
        """Return a layout with one more process of a kind."""
        return replace(self, replicas={**self.replicas, station: self.replicas[station] + 1})
