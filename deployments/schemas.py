"""JSON schemas of bodies that are read from raw bytes, for the OpenAPI description."""

from typing import Any

from pydantic import BaseModel


def one_of(*forms: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a body that has one of these forms."""
    return {"oneOf": [_inline_refs(form.model_json_schema()) for form in forms]}


def _inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its references filled in.

    They point at the root of a schema of their own, which inside OpenAPI's document is another.
    None of our models refers to itself, so that this ends.
    """
    definitions = schema.pop("$defs", {})

    def filled(node: Any) -> Any:  # noqa: ANN401 - a node of JSON
        if isinstance(node, list):
            return [filled(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            named = definitions[node["$ref"].rpartition("/")[2]]
            node = named | {name: value for name, value in node.items() if name != "$ref"}
        return {name: filled(value) for name, value in node.items()}

    whole: dict[str, Any] = filled(schema)
    return whole
