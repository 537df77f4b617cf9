"""The port to other deployments."""

from typing import Any, Protocol


class Replica(Protocol):
    """One method of another deployment, as `Hop` asks it."""

    async def ask(self, argument: object, *, within_s: float, patience_s: float) -> Any:  # noqa: ANN401 - whatever it returns
        """Return what it answers, or raise `HopError`."""
        ...
