"""The options of ``ray start``: in commands, and as ``rayStartParams`` of KubeRay."""

import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache

from deployments.checks.findings import Keys, Mistake, as_mapping, did_you_mean, dotted, get_in


@lru_cache(maxsize=1)
def start_options() -> frozenset[str]:
    """Return the names of the options, without hyphens in front."""
    from ray.scripts.scripts import start

    return frozenset(option.lstrip("-") for param in start.params for option in param.opts)


def parameter_mistakes(document: object, path: Keys) -> Iterator[Mistake]:
    """Yield unknown options in the ``rayStartParams`` at a path: Ray would not start."""
    params: Mapping[str, object] = as_mapping(get_in(document, path))
    for key in params:
        if key not in start_options():
            field = (*path, key)
            message = f"{dotted(document, field)} is no option of ray start"
            yield Mistake(field, message, did_you_mean(key, start_options()))


def command_mistakes(path: Keys, where: str, command: str) -> Iterator[Mistake]:
    """Yield unknown options in a shell command that starts Ray."""
    _, found, options = command.partition("ray start")
    if not found:
        return
    try:
        words = shlex.split(options.split("&&")[0].split(";")[0])
    except ValueError:  # a quotation mark without its end
        yield Mistake(path, f"{where} has an open quotation mark", "close it")
        return
    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and name not in start_options():
            message = f"{where} gives ray start the option --{name}, which it does not have"
            yield Mistake(path, message, did_you_mean(name, start_options()))
