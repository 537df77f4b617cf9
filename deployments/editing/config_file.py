"""Change values in a Serve configuration and keep its comments and layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deployments.checks import IMPORT_PATH
from scope.errors import ConfigError, one_line
from scope.storage import atomic_file
from scope.text_files import read_text

KeyPath = tuple[str, ...]
"""Keys from the application of ours to a value; an item of a list is found by its ``name``."""


def read_source(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {one_line(error)}") from error


def write_text(text: str, path: Path, *, mode_of: Path) -> None:
    """Write a file atomically, with the permissions of another: it may hold digests of keys."""
    mode = mode_of.stat().st_mode
    with atomic_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(mode)


def edit_config(text: str, changes: Mapping[KeyPath, Any], source: str) -> str:
    """Return a configuration with other values in the application of ours.

    Only the characters of values that change do. A comment behind a changed value goes: it may
    have explained the old one. A key that is missing is added, to a mapping in braces at its end,
    to another one as a line after its first key.

    Parameters
    ----------
    text : str
        YAML.
    changes : mapping
        Path of keys -> value: a number, text, or None.
    source : str
        Name of the file, for messages.

    Raises
    ------
    ConfigError
        If the text is no YAML, there is no application of ours, a deployment has no block, or a
        change would alter anything else, as where a value is an alias.
    """
    for path, value in changes.items():
        # Parsed again for each change: a change moves what comes after it.
        text = _changed(text, path, value, source)
    return text


def _changed(text: str, path: KeyPath, value: object, source: str) -> str:
    try:
        root, config = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {one_line(error)}") from error
    place, node = _application(root, config, source)
    applications = list(config["applications"])
    if path[0] == "deployments" and _child(_child(node, "deployments"), path[1]) is None:
        raise ConfigError(
            f"{source} has no block of the deployment {path[1]}; "
            f"add `- name: {path[1]}` under deployments of the application {IMPORT_PATH}"
        )
    applications[place] = _with(applications[place], path, value)
    wanted = {**config, "applications": applications}
    if wanted == config:
        return text
    changed = _edit(text, node, path, value)
    if _load(changed) != wanted:
        raise ConfigError(
            f"{source}: {'.'.join(path)} cannot be changed without changing more; "
            f"set it to {value} by hand"
        )
    return changed


def _application(
    root: yaml.Node | None, config: object, source: str
) -> tuple[int, yaml.MappingNode]:
    """Return place and node of the application of ours."""
    nodes = _child(root, "applications")
    listed = config.get("applications") if isinstance(config, Mapping) else None
    if isinstance(nodes, yaml.SequenceNode) and isinstance(listed, list):
        for place, (node, application) in enumerate(zip(nodes.value, listed, strict=True)):
            if isinstance(application, Mapping) and application.get("import_path") == IMPORT_PATH:
                return place, node
    raise ConfigError(f"{source} has no application with import_path {IMPORT_PATH}")


def _with(found: object, path: Sequence[str], value: object) -> object:
    """Return a copy with another value at a path; objects that aliases share stay as they are."""
    if not path:
        return value
    key, *rest = path
    if isinstance(found, list):
        return [_with(item, rest, value) if _name(item) == key else item for item in found]
    known = found if isinstance(found, Mapping) else {}
    return {**known, key: _with(known.get(key), rest, value)}


def _name(item: object) -> object:
    return item.get("name") if isinstance(item, Mapping) else None


def _load(text: str) -> object:
    """Return the content of a text; None if it is not YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _edit(text: str, node: yaml.CollectionNode, path: KeyPath, value: object) -> str:
    """Return the text with the value at a path below a mapping or a list."""
    child, rest = _child(node, path[0]), path[1:]
    if rest and isinstance(child, yaml.CollectionNode):
        return _edit(text, child, rest, value)
    for key in reversed(rest):
        value = {key: value}
    if child is not None:
        return _replaced(text, child, value)
    return _added(text, node, path[0], value)


def _replaced(text: str, node: yaml.Node, value: object) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    # The mark of an empty value is behind the colon, without the space.
    new = (" " if start == end else "") + _flow(value)
    if node.start_mark.line == node.end_mark.line:
        behind, newline = _comment_on(text, node.end_mark.line)
        return text[:start] + new + text[end:behind] + text[newline:]
    return text[:start] + new + text[end:]


def _comment_on(text: str, line: int) -> tuple[int, int]:
    """Return start, with the spaces before it, and end of the comment on a line with a value."""
    tokens = (token for token in yaml.scan(text) if token.start_mark.index < token.end_mark.index)
    start = max(token.end_mark.index for token in tokens if token.end_mark.line == line)
    newline = text.find("\n", start)
    end = len(text) if newline < 0 else newline
    return (start if text[start:end].lstrip().startswith("#") else end), end


def _added(text: str, node: yaml.CollectionNode, key: str, value: object) -> str:
    """Return the text with another key in a mapping."""
    line = f"{key}: {_flow(value)}"
    if node.flow_style:
        end = node.end_mark.index - 1
        return f"{text[:end]}{', ' if node.value else ''}{line}{text[end:]}"
    first_key, first_value = node.value[0]
    indent = " " * first_key.start_mark.column
    newline = text.find("\n", first_value.end_mark.index)
    if not isinstance(first_value, yaml.ScalarNode) or newline < 0:
        start = first_key.start_mark.index
        return f"{text[:start]}{line}\n{indent}{text[start:]}"
    # Behind the first line, which is mostly the name, and its comment.
    return f"{text[: newline + 1]}{indent}{line}\n{text[newline + 1 :]}"


def _flow(value: object) -> str:
    """Return a value as YAML on one line, as it may stand in braces."""
    listed = yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True)
    return listed.strip()[1:-1]


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value of a key, or the item of a list with a name."""
    if isinstance(node, yaml.MappingNode):
        return next((value for found, value in node.value if found.value == key), None)
    if isinstance(node, yaml.SequenceNode):
        return next((item for item in node.value if _has_name(item, key)), None)
    return None


def _has_name(item: yaml.Node, name: str) -> bool:
    found = _child(item, "name") if isinstance(item, yaml.MappingNode) else None
    return isinstance(found, yaml.ScalarNode) and found.value == name
