"""Passwords, tokens and keys that stand in a file in clear."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployments.checks.findings import Keys, Mistake, as_mapping, dotted, get_in, walk
from scope.upstream import KEY_FORMATS, is_variable_name

SECRET_NAME = re.compile(
    r"(?i)(?:^|[_-])(?:api_?key|key|token|password|passwd|secret|credentials?)$|password$"
)
"""Names of variables and fields whose values are secret."""

PUBLIC_NAMES = {"key", "secret", "token", "credentials"}
"""Fields of Kubernetes that name a secret, a mode or a label and hold none."""

ASSIGNMENT = re.compile(
    r"(?i)(?:\b|--)([A-Z][A-Z0-9_-]*(?:KEY|TOKEN|PASSWORD|SECRET))[= ]"
    r"(?!\s)[\"']?(?![$<{(\-\"'])([^\s\"';&|]{6,})"
)
"""``NAME=value`` or ``--name value`` in a command, where the value is no variable."""

REFERENCE = re.compile(r"\s*$|\$|\{\{|<|[~./]")
"""How a value begins that is empty, or names a variable, a placeholder or a file."""

REMEDY = "take it from a Secret or from a file that is not in the repository, and replace the key"


def secret_mistakes(document: object) -> Iterator[Mistake]:
    """Yield the values of a document that are secret, without showing them."""
    for path, value in walk(document):
        if isinstance(value, str) and value and path:
            yield from _of_text(document, path, value)
    yield from _of_secret(document)


def _of_text(document: object, path: Keys, value: str) -> Iterator[Mistake]:
    where, key = dotted(document, path), str(path[-1])
    if key == "key_variable":
        if not is_variable_name(value):
            message = f"{where} holds no name of an environment variable, and may be a key"
            yield Mistake(path, message, "name the variable that holds the key")
    elif KEY_FORMATS.search(value):
        yield Mistake(path, f"{where} holds a key in clear", REMEDY)
    elif _is_secret(document, path) and not REFERENCE.match(value):
        yield Mistake(path, f"{where} is a secret in clear", REMEDY)
    else:
        yield from _assignments(path, where, value)


def _assignments(path: Keys, where: str, value: str) -> Iterator[Mistake]:
    for match in ASSIGNMENT.finditer(value):
        yield Mistake(path, f"{where} gives {match[1]} its value in clear", REMEDY)
        return


def _is_secret(document: object, path: Keys) -> bool:
    """Return whether the name of a value says that it is secret."""
    key = str(path[-1])
    if key == "value" and len(path) > 1:
        entry = as_mapping(get_in(document, path[:-1]))
        name = entry.get("name", path[-2])
        return bool(SECRET_NAME.search(str(name)))
    return key not in PUBLIC_NAMES and "/" not in key and bool(SECRET_NAME.search(key))


def _of_secret(document: object) -> Iterator[Mistake]:
    """Yield the entries of a Kubernetes Secret."""
    secret: Mapping[str, Any] = as_mapping(document)
    if secret.get("kind") != "Secret":
        return
    for section in ("data", "stringData"):
        for key in as_mapping(secret.get(section)):
            if not _is_secret(document, (section, key)):  # those are reported above
                message = f"{section}.{key} of the Secret stands in the file"
                yield Mistake((section, key), message, "create it with `kubectl create secret`")
