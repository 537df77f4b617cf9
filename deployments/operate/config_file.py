"""Change the bank in a Serve configuration file; its comments and layout stay."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.checks import IMPORT_PATH
from scope.errors import ConfigError
from scope.storage import atomic_file
from scope.text_files import read_text

PLAIN = re.compile(r"[\w./@+-]+")
"""Text that YAML reads as itself in any place."""


def write_bank(path: Path, bank: str) -> None:
    """Set ``args.bank`` of the application of ours in a file, atomically.

    Raises
    ------
    ConfigError
        If the file cannot be read, or the change would alter anything else.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    changed = set_bank(text, bank, str(path))
    mode = path.stat().st_mode
    with atomic_file(path) as draft:
        draft.write_text(changed, encoding="utf-8")
        draft.chmod(mode)


def set_bank(text: str, bank: str, source: str) -> str:
    """Return a configuration with another bank.

    Parameters
    ----------
    text : str
        YAML.
    bank : str
        Folder.
    source : str
        Name of the file, for the message.

    Raises
    ------
    ConfigError
        If there is no application of ours, or the change would alter anything else, as where
        ``args`` is an alias.
    """
    try:
        root, config = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    place, application = _application(root, config, source)
    start, end, new = _edit(text, application, _scalar(bank))
    changed = text[:start] + new + text[end:]
    args = config["applications"][place].get("args") or {}
    config["applications"][place]["args"] = {**args, "bank": bank}
    if _load(changed) != config:
        raise ConfigError(
            f"{source}: args.bank cannot be changed without changing more; set it to {bank} by hand"
        )
    return changed


def _load(text: str) -> object:
    """Return the content of a text; None if it is not YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _application(
    root: yaml.Node | None, config: object, source: str
) -> tuple[int, yaml.MappingNode]:
    """Return place and node of the application of ours."""
    applications = _child(root, "applications")
    listed = config.get("applications") if isinstance(config, Mapping) else None
    if isinstance(applications, yaml.SequenceNode) and isinstance(listed, list):
        pairs = zip(applications.value, listed, strict=True)
        for place, (node, application) in enumerate(pairs):
            if isinstance(node, yaml.MappingNode) and application.get("import_path") == IMPORT_PATH:
                return place, node
    raise ConfigError(f"{source} has no application with import_path {IMPORT_PATH}")


def _edit(text: str, application: yaml.MappingNode, bank: str) -> tuple[int, int, str]:
    """Return start and end of what to replace, and the new text."""
    args = _child(application, "args")
    value = _child(args, "bank")
    if value is not None:
        return value.start_mark.index, value.end_mark.index, bank
    if isinstance(args, yaml.MappingNode) and args.flow_style:
        start = args.start_mark.index + 1  # behind the brace
        return start, start, f"bank: {bank}{', ' if args.value else ''}"
    if isinstance(args, yaml.MappingNode) and args.value:
        return _line_before(text, args.value[0][0], f"bank: {bank}")
    if args is not None:  # null, perhaps right behind the colon
        return args.start_mark.index, args.end_mark.index, f" {{bank: {bank}}}"
    return _line_before(text, application.value[0][0], f"args: {{bank: {bank}}}")


def _line_before(text: str, key: yaml.Node, line: str) -> tuple[int, int, str]:
    """Insert a line before a key, in its column; the key moves to the next line."""
    start = key.start_mark.index
    return start, start, f"{line}\n{' ' * key.start_mark.column}"


def _child(node: yaml.Node | None, name: str) -> Any:  # noqa: ANN401 - a node of any kind, or None
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value
    return None


def _scalar(text: str) -> str:
    """Return text as YAML in any place: plain where that is safe, else in quotes."""
    return text if PLAIN.fullmatch(text) and yaml.safe_load(text) == text else json.dumps(text)
