"""What a model has shown by refusing requests."""

from dataclasses import dataclass, field

from scope.upstream import OTHER_NAMES, Refusal


@dataclass(slots=True)
class LearnedLimits:
    """Limits of one model that its errors have named, until the Router restarts.

    Attributes
    ----------
    window_tokens : int or None
        The smallest context window that it named.
    lacks : set of str
        Capabilities that it refused, and fields that it does not know.
    rename : dict of str to str
        Fields that it knows by another name.
    """

    window_tokens: int | None = None
    lacks: set[str] = field(default_factory=set)
    rename: dict[str, str] = field(default_factory=dict)

    def note(self, refusal: Refusal | None) -> bool:
        """Learn from a refusal; returns whether the same request can now be sent in other words."""
        if refusal is None:
            return False
        if refusal.window_tokens is not None:
            known = self.window_tokens or refusal.window_tokens
            self.window_tokens = min(known, refusal.window_tokens)
        if refusal.subject is None:
            return False
        other = OTHER_NAMES.get(refusal.subject)
        if other is None or other in self.rename:
            self.lacks.add(refusal.subject)
            return False
        is_new = refusal.subject not in self.rename
        self.rename[refusal.subject] = other
        return is_new
