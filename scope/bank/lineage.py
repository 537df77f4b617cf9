"""What a bank was made from: one step for each command that wrote it or a parent of it."""

from typing import Literal

from scope.config import StrictModel


class LineageInput(StrictModel):
    """One file or folder that a command read to make a bank."""

    kind: Literal["questions", "outcomes", "samples", "decisions", "logs"]
    name: str
    """Name without its folder."""
    digest: str | None = None
    """SHA-256 of a file, the version of a bank; None if it is neither."""


class LineageStep(StrictModel):
    """One command that wrote a bank."""

    command: str
    """As typed, without arguments, such as ``scope bank fit``."""
    scope_router: str
    """Version of the package."""
    time: str
    """ISO 8601, UTC."""
    inputs: tuple[LineageInput, ...] = ()
    parent: str | None = None
    """Version of the bank that was changed; None for a bank without a parent."""

    def __str__(self) -> str:
        read = [f"{self.command}, {self.time}, scope-router {self.scope_router}"]
        if self.parent is not None:
            read.append(f"bank {self.parent}")
        read += [
            f"{used.kind} {used.name}" + (f" ({used.digest[:12]})" if used.digest else "")
            for used in self.inputs
        ]
        return "; ".join(read)
