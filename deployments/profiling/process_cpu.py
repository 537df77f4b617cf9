"""CPU time of the processes of a Serve, by what they do, from Linux's ``/proc``."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

PROXY, OTHER = "proxy", "other"
"""Groups beside the names of deployments: HTTP proxies, and the rest of Ray."""

REPLICA = re.compile(r"ray::ServeReplica:[^:]*:(\w+)")


def cpu_seconds(root_pid: int) -> dict[str, float]:
    """Return the CPU time so far of a process and its descendants, s, by group.

    Parameters
    ----------
    root_pid : int
        Process that started all others.

    Returns
    -------
    dict of str to float
        Names of deployments, `PROXY` and `OTHER` -> seconds. A process that ended is not counted.
    """
    total_s: dict[str, float] = {}
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    for pid in descendants(root_pid):
        group = group_of(_command_line(pid))
        total_s[group] = total_s.get(group, 0.0) + sum(_stat(pid)[1:]) / ticks_per_s
    return total_s


def group_of(command_line: str) -> str:
    """Return the group of a process by the title that Ray gives it.

    Examples
    --------
    >>> group_of("ray::ServeReplica:scope:Embedder.handle_request"), group_of("raylet --port=1")
    ('Embedder', 'other')
    """
    if found := REPLICA.match(command_line):
        return found[1]
    return PROXY if command_line.startswith("ray::ProxyActor") else OTHER


def descendants(root_pid: int) -> set[int]:
    """Return a process with all its descendants."""
    parents = {int(path.name): _stat(int(path.name))[0] for path in Path("/proc").glob("[0-9]*")}
    return tree_of(root_pid, parents.items())


def tree_of(root_pid: int, parents: Iterable[tuple[int, int]]) -> set[int]:
    """Return the processes below `root_pid`, itself included.

    Parameters
    ----------
    root_pid : int
    parents : iterable of (int, int)
        Each process with its parent.
    """
    pairs, tree, n_before = list(parents), {root_pid}, 0
    while len(tree) > n_before:
        n_before = len(tree)
        tree |= {pid for pid, parent in pairs if parent in tree}
    return tree


def _stat(pid: int) -> tuple[int, int, int]:
    """Return the parent of a process, and its user and system ticks; zeros if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return 0, 0, 0
    return int(fields[1]), int(fields[11]), int(fields[12])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
