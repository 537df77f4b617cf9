"""The settings in force, replaced as a whole while requests run."""

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
    """Settings and values derived from them; a request keeps the same ones from start to end."""

    settings: RouterSettings
    models: tuple[ModelSpec, ...]
    """The pool at current prices."""
    keyring: Keyring

    @classmethod
    def from_user_config(
        cls, user_config: Mapping[str, Any], bank: tuple[ModelSpec, ...]
    ) -> "ActiveSettings":
        """Check a ``user_config`` against a bank and read its key file.

        Raises
        ------
        ConfigError
            One sentence with every error.
        """
        settings = parse_settings(user_config)
        return cls(settings, settings.pool_of(bank), Keyring.from_access(settings.access))


def parse_settings(user_config: Mapping[str, Any]) -> RouterSettings:
    """Return checked settings.

    Raises
    ------
    ConfigError
        One sentence with every error, without values that may be keys.
    """
    try:
        # As JSON: a list is accepted for a tuple, text is not accepted for a number.
        return RouterSettings.model_validate_json(json.dumps(user_config, default=str))
    except ValidationError as error:
        errors = "; ".join(format_error(e) for e in error.errors(include_url=False))
    raise ConfigError(f"user_config is not valid and not applied: {errors}") from None
