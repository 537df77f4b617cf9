"""Name what a request has and no chat completion can."""

MAX_IGNORED = 16
"""Fields and blocks that are named as ignored; a header is short."""

MAX_NAME_CHARS = 60


class Ignored:
    """Names of what a request has and no chat completion can."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Add a name, which may come from the client: it will stand in a header."""
        printable = "".join(char if " " <= char <= "~" else "?" for char in name)
        self._names[printable[:MAX_NAME_CHARS]] = None

    def names(self) -> tuple[str, ...]:
        """Return the names, in their order and each once; of many, how many more there are."""
        names = tuple(self._names)
        more = len(names) - MAX_IGNORED
        return names if more <= 0 else (*names[:MAX_IGNORED], f"{more} more")
