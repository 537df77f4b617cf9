"""The port to other deployments."""

from typing import Any, Protocol


class RemoteMethod(Protocol):
    """One method of another deployment, as `Hop` asks it."""

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - whatever it returns
        """Return what it answers, or raise `HopError`."""
        ...
