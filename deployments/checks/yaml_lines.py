"""Read YAML and keep the line of every key."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from deployments.checks.findings import Finding, Keys, Mistake, dotted, get_in
from scope.errors import one_line

MERGE_TAG = "tag:yaml.org,2002:merge"
"""Of the key ``<<``."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a YAML file.

    Attributes
    ----------
    file : str
    value : Any
        What `yaml.safe_load` returns.
    lines : dict of Keys to int
        The line of each key and list entry, from 1; of a merged key, the line where it stands.
    first_lines : dict of Keys to int
        For each text in block style (``|``), the line of its first line.
    repeated : list of (Keys, int)
        The keys that a mapping holds twice; YAML keeps the last.
    """

    file: str
    value: Any
    lines: dict[Keys, int]
    first_lines: dict[Keys, int] = field(default_factory=dict)
    repeated: list[tuple[Keys, int]] = field(default_factory=list)

    def line(self, path: Keys) -> int:
        """Return the line of a path, or of the closest parent that is in the file."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def located(self, mistakes: Iterable[Mistake]) -> Iterator[Finding]:
        """Yield mistakes with their lines."""
        for path, message, remedy, level in mistakes:
            where = dotted(self.value, path)
            yield Finding(self.file, self.line(path), level, where, message, remedy)

    def duplicates(self) -> Iterator[Finding]:
        """Yield the keys that stand twice."""
        for path, line in self.repeated:
            where = dotted(self.value, path)
            message = f"{where} is given twice, and only the last value counts"
            yield Finding(self.file, line, "error", where, message, "remove one of them")

    def embedded(self, path: Keys) -> list["Document"]:
        """Return the YAML documents in a text, with lines of this file.

        Raises
        ------
        yaml.YAMLError
            If the text is not YAML; its lines are those of the text.
        """
        text = get_in(self.value, path)
        start = self.first_lines.get(path)
        if start is not None:
            return read_documents(text, self.file, first_line=start)
        documents = read_documents(text, self.file)
        line = self.line(path)  # of a folded or quoted text, lines are not those of the file
        return [Document(self.file, d.value, dict.fromkeys(d.lines, line)) for d in documents]


def read_documents(text: str, file: str, first_line: int = 1) -> list[Document]:
    """Return the documents of a YAML text; empty ones are left out.

    Parameters
    ----------
    text : str
    file : str
        For messages.
    first_line : int
        Line of the file on which `text` begins.

    Raises
    ------
    yaml.YAMLError
        If the text is not YAML; see `unreadable`.
    """
    loader = yaml.SafeLoader(text)
    documents = []
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # checked by `check_node`
            reader = _Reader(loader, first_line)
            value = reader.read(node, ())
            if value is not None:
                lines = {(): node.start_mark.line + first_line, **reader.lines}
                documents.append(Document(file, value, lines, reader.first_lines, reader.repeated))
    finally:
        loader.dispose()
    return documents


def unreadable(error: yaml.YAMLError, file: str, first_line: int = 1) -> Finding:
    """Return the finding of a text that is not YAML."""
    line, problem = first_line, one_line(error)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line += mark.line if mark else 0
        problem = error.problem or error.context or problem
    message = f"this is not YAML: {problem}"
    return Finding(file, line, "error", "the file", message, "correct it")


class _Reader:
    """Builds the values of one document and notes the lines of its keys."""

    def __init__(self, loader: yaml.SafeLoader, first_line: int) -> None:
        self._loader, self._first_line = loader, first_line
        self._open: set[int] = set()
        self._noted: set[int] = set()
        self.lines: dict[Keys, int] = {}
        self.first_lines: dict[Keys, int] = {}
        self.repeated: list[tuple[Keys, int]] = []

    def read(self, node: yaml.Node, path: Keys) -> Any:  # noqa: ANN401 - any YAML value
        """Return the value of a node."""
        if isinstance(node, yaml.ScalarNode):
            if node.style == "|":
                self.first_lines[path] = node.start_mark.line + 1 + self._first_line
            return self._loader.construct_object(node, deep=True)
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(
                problem="an anchor contains itself", problem_mark=node.start_mark
            )
        self._open.add(id(node))
        read = self._mapping if isinstance(node, yaml.MappingNode) else self._sequence
        value = read(node, path)
        self._open.remove(id(node))
        return value

    def _sequence(self, node: yaml.Node, path: Keys) -> list[Any]:
        values = []
        for place, child in enumerate(node.value):
            self.lines[*path, place] = self._line(child)
            values.append(self.read(child, (*path, place)))
        return values

    def _mapping(self, node: yaml.Node, path: Keys) -> dict[Hashable, Any]:
        assert isinstance(node, yaml.MappingNode)
        self._note_repeated(node, path)
        # Merged keys come first, so that the mapping's own keys replace them.
        self._loader.flatten_mapping(node)
        value = {}
        for key_node, child in node.value:
            key = self._key(key_node)
            self.lines[*path, key] = self._line(key_node)
            value[key] = self.read(child, (*path, key))
        return value

    def _note_repeated(self, node: yaml.MappingNode, path: Keys) -> None:
        if id(node) in self._noted:  # through an alias, and with its merged keys
            return
        self._noted.add(id(node))
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE_TAG:
                continue
            key = self._key(key_node)
            if key in seen:
                self.repeated.append(((*path, key), self._line(key_node)))
            seen.add(key)

    def _key(self, node: yaml.Node) -> Any:  # noqa: ANN401 - text nearly always
        key = self._loader.construct_object(node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.MarkedYAMLError(
                problem="a key is a list or a mapping", problem_mark=node.start_mark
            )
        return key

    def _line(self, node: yaml.Node) -> int:
        return node.start_mark.line + self._first_line
