"""Parameters that a model does not take as we send them: dropped, renamed, or set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scope.errors import ConfigError
from scope.upstream import rules_for

OWN_FIELDS = ("model", "messages", "stream")
"""Fields that no flag may change."""


@dataclass(frozen=True, slots=True)
class ParameterFlags:
    """What the flags say; None: what is known of a model by its name.

    Attributes
    ----------
    drop : tuple of str or None
    rename : mapping of str to str, or None
    default : mapping or None
        Values of parameters that are sent besides ours.
    """

    drop: tuple[str, ...] | None = None
    rename: Mapping[str, str] | None = None
    default: Mapping[str, Any] | None = None

    @classmethod
    def parse(
        cls, drop: Sequence[str], rename: Sequence[str], default: Sequence[str]
    ) -> "ParameterFlags":
        """Read ``NAME``, ``NAME=OTHER`` and ``NAME=VALUE``; a value is JSON, else text.

        Raises
        ------
        ConfigError
            If a flag has another form, or names a field that is ours.
        """
        renamed = dict(_pair("--rename", text) for text in rename)
        values = {name: _value(text) for name, text in (_pair("--default", t) for t in default)}
        for flag, names in (("--drop", drop), ("--rename", renamed), ("--default", values)):
            if own := [name for name in names if name in OWN_FIELDS]:
                raise ConfigError(f"{flag} names {own[0]!r}, which every request has; leave it out")
        return cls(tuple(drop) or None, renamed or None, values or None)

    def fit(self, model: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a request that the model accepts."""
        return rules_for(model, self.drop, self.rename, self.default).fit(fields)

    def settings(self) -> dict[str, Any]:
        """Return what an answer depends on."""
        dropped = None if self.drop is None else list(self.drop)
        return {"drop": dropped, "rename": self.rename, "default": self.default}


KNOWN_BY_NAME = ParameterFlags()
"""No flag: what is known of each model by its name."""


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        form = "NAME=OTHER" if flag == "--rename" else "NAME=VALUE"
        raise ConfigError(f"{flag} is {text!r}; expected {form}")
    return name, value


def _value(text: str) -> Any:  # noqa: ANN401 (JSON is anything)
    try:
        return json.loads(text, parse_constant=str)
    except RecursionError:
        raise ConfigError("--default is nested too deeply; expected the value of a field") from None
    except ValueError:
        return text
