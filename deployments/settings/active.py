"""The settings in force, replaced as a whole while requests run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deployments.protocol import format_error
from deployments.settings.access import Keyring
from deployments.settings.settings import RouterSettings
from deployments.upstream import upstream_name
from scope.arms import Arm, arm_spec
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
        cls,
        user_config: Mapping[str, Any],
        bank: tuple[ModelSpec, ...],
        learned: tuple[ModelSpec, ...] = (),
    ) -> "ActiveSettings":
        """Check a ``user_config`` against a bank and learned routers, and read its key file.

        Raises
        ------
        ConfigError
            One sentence with every error.
        """
        settings = parse_settings(user_config)
        models = settings.pool_of(bank, learned)
        return cls(settings, models, Keyring.from_access(settings.access))

    def arm(self, name: str) -> ModelSpec | None:
        """Return an arm of the pool, or several samples of one; None if it is neither.

        The best of several samples costs no more than as many choices (``n``), so that clients
        may ask for it without the operator: up to `Limits.max_choices`.
        """
        known = {model.id: model for model in self.models}
        if name in known:
            return known[name]
        is_few = Arm.parse(name).n_samples <= self.settings.limits.max_choices
        return arm_spec(name, known) if is_few else None

    def with_upstream(self, models: Iterable[ModelSpec]) -> tuple[ModelSpec, ...]:
        """Return the arms among `models` that an upstream answers for."""
        upstreams = self.settings.upstreams
        return tuple(m for m in models if upstream_name(m.id, upstreams) is not None)

    def with_arms(self, names: Iterable[str]) -> tuple[ModelSpec, ...]:
        """Return the pool, and the arms among `names` that are several samples of one of it."""
        listed = {model.id for model in self.models}
        more = (self.arm(name) for name in dict.fromkeys(names) if name not in listed)
        return (*self.models, *(spec for spec in more if spec is not None))


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
        errors = "; ".join(format_error(e, RouterSettings) for e in error.errors(include_url=False))
    raise ConfigError(f"user_config is not valid and not applied: {errors}") from None
