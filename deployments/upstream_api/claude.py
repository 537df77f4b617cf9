"""What Claude models accept, by their names."""

import re
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d+)(?:[-.](\d{1,2})(?!\d))?(?!\d)")
_ALWAYS_THINKS = re.compile(r"claude-(?:[a-z]+-)*(?:fable|mythos)")

DEFAULT_MAX_TOKENS = 4096
LARGEST_DEFAULT = 32_000
"""All models since Claude 3.7 can write so much."""


@dataclass(frozen=True, slots=True)
class ClaudeModel:
    """What a model accepts in requests of Anthropic's Messages API.

    Attributes
    ----------
    version : tuple of int or None
        ``(4, 5)`` for Claude Sonnet 4.5; None for a model that is no Claude.
    always_thinks : bool
        Whether its thinking cannot be turned off.
    """

    version: tuple[int, int] | None
    always_thinks: bool = False

    @property
    def takes_budget(self) -> bool:
        """Whether its thinking can have a budget of tokens; that of another maker's model may."""
        return self.version is None or (3, 7) <= self.version < (4, 7)

    @property
    def is_adaptive(self) -> bool:
        """Whether it decides itself how much to think, at a given effort."""
        return self.version is not None and self.version >= (4, 6)

    @property
    def takes_sampling(self) -> bool:
        """Whether it accepts ``temperature``, ``top_p`` and ``top_k``."""
        return self.version is None or self.version < (4, 7)

    @property
    def takes_one_of_sampling(self) -> bool:
        """Whether it refuses ``temperature`` and ``top_p`` in one request."""
        return self.version is not None and self.version >= (4, 0)

    @property
    def takes_strict_tools(self) -> bool:
        """Whether the inputs of tools can be bound to their schemas."""
        return self.version is not None and self.version >= (4, 5)

    @property
    def default_max_tokens(self) -> int:
        """Length limit of an answer where the request has none."""
        if self.version is None or self.version < (3, 5):
            return DEFAULT_MAX_TOKENS
        return 2 * DEFAULT_MAX_TOKENS if self.version < (3, 7) else LARGEST_DEFAULT


@lru_cache(1024)
def claude_model(name: str) -> ClaudeModel:
    """Return what a model accepts, by its name at the upstream.

    Examples
    --------
    >>> claude_model("claude-3-5-haiku-20241022").version, claude_model("glm-4.6").version
    ((3, 5), None)
    >>> claude_model("anthropic/claude-sonnet-4-20250514").version
    (4, 0)
    """
    name = name.lower()
    always_thinks = _ALWAYS_THINKS.search(name) is not None
    if found := _VERSION.search(name):
        return ClaudeModel((int(found[1]), int(found[2] or 0)), always_thinks)
    return ClaudeModel((4, 7) if always_thinks else None, always_thinks)
