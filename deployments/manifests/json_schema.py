"""What a JSON schema refuses, as mistakes."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

from deployments.checks.findings import Keys, Mistake, did_you_mean, dotted, is_close
from deployments.protocol import short_repr


def schema_mistakes(
    errors: Iterator[ValidationError], root: object, prefix: Keys = (), skip: int = 0
) -> Iterator[Mistake]:
    """Yield the errors of a validator.

    Parameters
    ----------
    errors : iterator of ValidationError
    root : object
        The whole document, to name fields.
    prefix : Keys
        Where the validated value stands in the document.
    skip : int
        Keys at the head of each path that the validated value has and the document has not.
    """
    for error in errors:
        yield from _of_error(error, root, (*prefix, *list(error.absolute_path)[skip:]))


def _of_error(error: ValidationError, root: object, path: Keys) -> Iterator[Mistake]:
    where, value = dotted(root, path), error.instance
    if error.validator == "additionalProperties" and isinstance(value, Mapping):
        known: Mapping[str, Any] = error.schema.get("properties", {})
        for key in value:
            if key not in known:
                message = f"{dotted(root, (*path, key))} is unknown"
                yield Mistake((*path, key), message, did_you_mean(str(key), known))
    elif error.validator == "required" and isinstance(value, Mapping):
        for key in error.validator_value:
            # A key that is spelt wrong is reported as unknown, where unknown ones are refused.
            strict = error.schema.get("additionalProperties") is False
            is_typo = strict and any(is_close(str(other), key) for other in value)
            if key not in value and not is_typo:
                yield Mistake(path, f"{where} has no {key}", f"add {key}")
    elif error.validator == "type":
        kinds = error.validator_value
        names = [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
        message = f"{where} is {short_repr(value)}"
        yield Mistake(path, message, f"it should be of type {' or '.join(names)}")
    elif error.validator == "enum":
        allowed = ", ".join(str(choice) for choice in error.validator_value)
        yield Mistake(path, f"{where} is {short_repr(value)}", f"use one of {allowed}")
    else:
        yield Mistake(
            path, f"{where} is {short_repr(value)}", f"it should fit: {error.message:.120}"
        )
