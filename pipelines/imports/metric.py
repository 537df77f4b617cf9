"""Choose the metric of a log that is the score of an answer."""

from collections.abc import Collection

from scope.errors import FormatError


def chosen_metric(names: Collection[str], wanted: str | None, source: str) -> str:
    """Return the metric to read.

    Parameters
    ----------
    names : collection of str
        Those of the log; ``NAME,FILTER`` may be asked for by its name where it has one filter.
    wanted : str or None
        As the user names it; None: the only one.
    source : str
        Name of the log, for messages.

    Raises
    ------
    FormatError
        If the log has none, has several and none was chosen, or lacks the one that was.

    Examples
    --------
    >>> chosen_metric({"exact_match,none", "f1,none"}, "f1", "log")
    'f1,none'
    """
    known = ", ".join(sorted(names)) or "none"
    found = [name for name in names if wanted in (None, name) or name.rpartition(",")[0] == wanted]
    if len(found) == 1:
        return found[0]
    if wanted is None:
        raise FormatError(f"{source} has the metrics {known}; choose one with --metric")
    raise FormatError(f"{source} has the metrics {known}; --metric is {wanted!r}; expected one")
