"""The cause of a crash, read from the log of a worker."""

import re
from pathlib import Path

STDERR, STDOUT = 2, 1

ERROR_LINE = re.compile(r"(?:^|[\s\].])(?P<error>[A-Z]\w*(?:Error|Exception|Interrupt): .*\S)")

SECONDARY_ERRORS = (
    "Engine core initialization failed",
    "EngineCore encountered an issue",
    "EngineDeadError",
)
"""Parts of errors that only report another error."""

MAX_CHARS = 400


class CrashLog:
    """Reads what this process and its children write to its log from now on."""

    def __init__(self) -> None:
        # Ray gives each worker a log of its own, which its child processes share.
        paths = {_target(number) for number in (STDOUT, STDERR)}
        self._start_of = {path: path.stat().st_size for path in paths if path is not None}

    @property
    def last_error(self) -> str | None:
        """The last error in the log that does not report another one; None if there is none."""
        errors = [error for path, start in self._start_of.items() for error in _errors(path, start)]
        return errors[-1][:MAX_CHARS] if errors else None


def _target(number: int) -> Path | None:
    """Return the file that a file descriptor writes to; None if it is not a file."""
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
    errors = [match["error"] for line in text.splitlines() if (match := ERROR_LINE.search(line))]
    return [error for error in errors if not any(part in error for part in SECONDARY_ERRORS)]
