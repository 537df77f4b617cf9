"""The first calls of a measurement: when all of them fail alike, the others would, too."""

from dataclasses import dataclass

from scope.upstream import NO_CONNECTION, TIMEOUT, UpstreamError

N_ALIKE = 20
"""Calls that must have failed alike before a run stops."""

OF_THE_QUESTION = ("context window", "content filter", "body size")
"""Refusals that say nothing of other questions."""


@dataclass(slots=True)
class FirstCalls:
    """Watches the first calls of a folder.

    Attributes
    ----------
    watching : bool
        Whether no call has had another end yet. A folder with any answer is not watched: what
        is left to call may be what always fails.
    n_failed : int
    kind : str or None
        How they failed.
    """

    watching: bool = True
    n_failed: int = 0
    kind: str | None = None

    def fail_alike(self, error: UpstreamError | None) -> bool:
        """Note the end of a call; return whether `N_ALIKE` failed alike and none did not."""
        if not self.watching:
            return False
        refusal = error.refusal if error else None
        of_question = refusal is not None and refusal.kind in OF_THE_QUESTION
        if error is None or of_question or self.kind not in (None, error.kind):
            self.watching = False
            return False
        self.kind, self.n_failed = error.kind, self.n_failed + 1
        return self.n_failed >= N_ALIKE


def remedy(error: UpstreamError) -> str:
    """Return what to do about a failure of every call."""
    if error.refusal is not None and error.refusal.kind == "parameter":
        name = error.refusal.subject or "NAME"
        return f"pass --drop {name}, or --rename {name}=OTHER"
    if error.kind in (NO_CONNECTION, TIMEOUT) or error.status == 404:
        return "check --base-url and the names of the models"
    if error.is_client_error or error.status == 403:
        return "check the models, the key and what is sent"
    return "run the same command again later"
