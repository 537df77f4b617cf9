"""Settings that change while requests run: whole, or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deployments.protocol import format_error
from deployments.settings.access import Keyring
from deployments.settings.settings import RouterSettings
from scope.errors import ConfigError
from scope.pool import ModelSpec


@dataclass(frozen=True, slots=True)
class ActiveSettings:
    """Settings with what follows from them; a request holds on to one from start to end."""

    settings: RouterSettings
    models: tuple[ModelSpec, ...]
    """The pool at its prices."""
    keyring: Keyring

    @classmethod
    def from_user_config(
        cls, user_config: Mapping[str, Any], bank: tuple[ModelSpec, ...]
    ) -> "ActiveSettings":
        """Check a ``user_config`` against a bank and read the key file it names.

        Raises
        ------
        ConfigError
            One sentence with every mistake.
        """
        settings = parse_settings(user_config)
        return cls(settings, settings.pool_of(bank), Keyring.from_access(settings.access))


def parse_settings(user_config: Mapping[str, Any]) -> RouterSettings:
    """Return checked settings.

    Raises
    ------
    ConfigError
        One sentence with every mistake, and no value that may be a key.
    """
    try:
        # By way of JSON, whose types count: a list may be a tuple, text is no number.
        return RouterSettings.model_validate_json(json.dumps(user_config, default=str))
    except ValidationError as error:
        mistakes = "; ".join(format_error(mistake) for mistake in error.errors(include_url=False))
    raise ConfigError(f"user_config is not valid and changes nothing: {mistakes}") from None
