"""What an engine's process has said before it ended: the reason is in its log alone."""

import re
from pathlib import Path

STDERR, STDOUT = 2, 1

ERROR_LINE = re.compile(r"(?:^|[\s\].])(?P<error>[A-Z]\w*(?:Error|Exception|Interrupt): .*\S)")

SECONDARY_ERRORS = (
    "Engine core initialization failed",
    "EngineCore encountered an issue",
    "EngineDeadError",
)
"""Of errors that only say that there was another."""

MAX_CHARS = 400


class CrashLog:
    """Reads what this process and those it has started write to its log from now on."""

    def __init__(self) -> None:
        # Ray gives each worker a log of its own, which the processes below it share.
        paths = {_target(number) for number in (STDOUT, STDERR)}
        self._from = {path: path.stat().st_size for path in paths if path is not None}

    @property
    def last_error(self) -> str | None:
        """The last error in the log that is not about another; None if there is none."""
        found = [line for path, size in self._from.items() for line in _errors(path, size)]
        return found[-1][:MAX_CHARS] if found else None


def _target(number: int) -> Path | None:
    """Return the file that a file descriptor writes to; None if it is none."""
    try:
        path = Path(f"/proc/self/fd/{number}").readlink()
    except OSError:
        return None
    return path if path.is_file() else None


def _errors(path: Path, start: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    found = [match["error"] for line in text.splitlines() if (match := ERROR_LINE.search(line))]
    return [error for error in found if not any(echo in error for echo in SECONDARY_ERRORS)]
