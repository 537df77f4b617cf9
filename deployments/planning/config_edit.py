"""Change values in a Serve configuration and keep its comments and layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from scope.errors import ConfigError, one_line

KeyPath = tuple[str, ...]
"""Keys from the block of a deployment to a value."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """Characters of a text to replace."""

    start: int
    end: int
    text: str


def edit_deployments(
    text: str, changes: Mapping[str, Mapping[KeyPath, Any]], import_path: str
) -> str:
    """Return a configuration with other values in the blocks of its deployments.

    Only the characters of the values change; a key that is missing is added, to a mapping in
    braces at its end, to another one as a line after its first key.

    Parameters
    ----------
    text : str
        YAML.
    changes : mapping
        Name of a deployment -> path of keys -> value: a number, text, or None.
    import_path : str
        Of the application whose deployments are changed.

    Raises
    ------
    ConfigError
        If the text is no YAML, or a deployment has no block.
    """
    for name, values in changes.items():
        for path, value in values.items():
            # Parsed again after each edit: edits move what comes after them.
            edit = _edit(text, _block(text, name, import_path), path, value)
            text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _block(text: str, name: str, import_path: str) -> yaml.MappingNode:
    """Return the block of a deployment, with the places of its parts in the text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"the configuration is no YAML: {one_line(error)}") from error
    for application in _items(_get(root, "applications")):
        if _scalar(_get(application, "import_path")) != import_path:
            continue
        for block in _items(_get(application, "deployments")):
            if isinstance(block, yaml.MappingNode) and _scalar(_get(block, "name")) == name:
                return block
    raise ConfigError(
        f"no application of {import_path} has a block of the deployment {name}; "
        f"add `- name: {name}` under its deployments"
    )


def _edit(text: str, block: yaml.MappingNode, path: KeyPath, value: object) -> _Edit:
    """Return the edit that gives the value at a path below a block."""
    node = _get(block, path[0])
    if node is None or (len(path) > 1 and not isinstance(node, yaml.MappingNode)):
        inner: object = value
        for key in reversed(path[1:]):
            inner = {key: inner}
        if node is None:
            return _added(text, block, path[0], inner)
        return _replaced(node, inner)
    if len(path) == 1:
        return _replaced(node, value)
    assert isinstance(node, yaml.MappingNode)
    return _edit(text, node, path[1:], value)


def _replaced(node: yaml.Node, value: object) -> _Edit:
    # The mark of an empty value is behind the colon, without the space.
    space = " " if node.start_mark.index == node.end_mark.index else ""
    return _Edit(node.start_mark.index, node.end_mark.index, space + _flow(value))


def _added(text: str, block: yaml.MappingNode, key: str, value: object) -> _Edit:
    """Return the edit that adds a key to a mapping."""
    if block.flow_style:
        end = block.end_mark.index - 1
        comma = ", " if block.value else ""
        return _Edit(end, end, f"{comma}{key}: {_flow(value)}")
    first_key, first_value = block.value[0]
    line, indent = f"{key}: {_flow(value)}\n", " " * first_key.start_mark.column
    newline = text.find("\n", first_value.end_mark.index)
    if not isinstance(first_value, yaml.ScalarNode) or newline < 0:
        return _Edit(first_key.start_mark.index, first_key.start_mark.index, line + indent)
    # Behind the first line, which is mostly the name, and its comment.
    return _Edit(newline + 1, newline + 1, indent + line)


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for found, value in node.value if found.value == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _scalar(node: yaml.Node | None) -> str | None:
    return node.value if isinstance(node, yaml.ScalarNode) else None
