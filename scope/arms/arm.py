"""An arm: a model with its settings, written as one name."""

import re
from dataclasses import dataclass, replace

from scope.errors import ConfigError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
"""Values of ``reasoning_effort`` in today's APIs."""

MAX_SAMPLES = 99
"""Largest n of ``model@n``; a longer number, as in ``claude@20240620``, belongs to the name."""

_ARM = re.compile(rf"(?P<model>.+?)(?:#(?P<effort>{'|'.join(EFFORTS)}))?(?:@(?P<n>\d{{1,2}}))?")


@dataclass(frozen=True, slots=True)
class Arm:
    """What the router chooses: a model, its reasoning effort and its number of samples.

    Attributes
    ----------
    model : str
        Id of the model.
    effort : str or None
        One of `EFFORTS`; None leaves the provider's default.
    n_samples : int
        Samples of which the best one is the answer, at least 1.

    Examples
    --------
    >>> Arm.parse("openai/gpt-5-mini#low@3")
    Arm(model='openai/gpt-5-mini', effort='low', n_samples=3)
    >>> str(Arm("llama-3.1-8b", n_samples=5))
    'llama-3.1-8b@5'
    """

    model: str
    effort: str | None = None
    n_samples: int = 1

    @classmethod
    def parse(cls, name: str) -> "Arm":
        """Read ``model``, ``model@n``, ``model#effort`` or ``model#effort@n``.

        Raises
        ------
        ConfigError
            For ``@0`` and ``@1``, so that every arm has one name.
        """
        match = _ARM.fullmatch(name)
        if match is None:
            return cls(name)
        if match["n"] is None:
            return cls(match["model"], match["effort"])
        if int(match["n"]) < 2 or match["n"].startswith("0"):
            raise ConfigError(
                f"arm {name!r}: the number of samples after @ must be 2..{MAX_SAMPLES}; "
                f"one sample is {name.rpartition('@')[0]!r} itself"
            )
        return cls(match["model"], match["effort"], int(match["n"]))

    @property
    def one_sample(self) -> "Arm":
        """The same model and effort with one sample."""
        return replace(self, n_samples=1)

    def __str__(self) -> str:
        effort = f"#{self.effort}" if self.effort else ""
        samples = f"@{self.n_samples}" if self.n_samples > 1 else ""
        return f"{self.model}{effort}{samples}"
