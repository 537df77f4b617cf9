"""The application of this project in a Serve configuration, read as far as it is valid."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from deployments.checks.findings import (
    Keys,
    Mistake,
    as_list,
    as_mapping,
    did_you_mean,
    dotted,
)
from deployments.checks.unknown_keys import invalid_values, unknown_keys
from deployments.replicas import Batching
from deployments.replicas.app_config import AppConfig
from deployments.replicas.engine import DEPLOYMENT_NAME
from deployments.replicas.selector import SelectorArgs
from deployments.settings import RouterSettings
from scope.bank import is_bank, read_manifest
from scope.errors import ScopeError

IMPORT_PATH = "deployments.app:build_app"
DEPLOYMENT_NAMES = ("Router", "Embedder", "Predictor")
BATCHED = ("Embedder", "SecondEmbedder", "Selector", "LearnedRouter")
"""Deployments whose ``user_config`` is `Batching`."""
PLACEMENT_KEYS = ("placement_group_bundles", "placement_group_strategy", "ray_actor_options")
"""Settings of a deployment that would override what an engine derives from its arguments."""


@dataclass(frozen=True, slots=True)
class ServedApplication:
    """One application with our ``import_path``.

    Attributes
    ----------
    config : Mapping
        The whole configuration.
    path : Keys
        Of the application.
    args : AppConfig or None
        None if they are not valid.
    settings : RouterSettings or None
        None if the Router's ``user_config`` is not valid.
    blocks : dict of str to (Keys, Mapping)
        The blocks under ``deployments`` by name, with their paths.
    """

    config: Mapping[str, Any]
    path: Keys
    args: AppConfig | None
    settings: RouterSettings | None
    blocks: dict[str, tuple[Keys, Mapping[str, Any]]] = field(default_factory=dict)

    def block(self, name: str) -> Mapping[str, Any]:
        """Return the block of a deployment; empty where there is none."""
        return self.blocks[name][1] if name in self.blocks else {}

    def field(self, name: str, *keys: str | int) -> Keys:
        """Return the path of a field of a deployment."""
        return (*self.blocks[name][0], *keys) if name in self.blocks else self.path

    @property
    def host(self) -> str:
        """The address that Serve binds; a file that does not say binds all of them."""
        host = as_mapping(self.config.get("http_options")).get("host", "0.0.0.0")
        return str(host)

    @property
    def deployment_names(self) -> tuple[str, ...]:
        """The deployments that the arguments start; all if the arguments are not valid."""
        args = self.args
        optional = {
            DEPLOYMENT_NAME: args is None or args.reasoner is not None,
            "Selector": args is None or isinstance(args.selector, SelectorArgs),
            "LearnedRouter": args is None or bool(args.routers),
            "SecondEmbedder": args is None or _may_use_second_encoder(Path(args.bank)),
        }
        return (*DEPLOYMENT_NAMES, *(name for name, runs in optional.items() if runs))


def _may_use_second_encoder(bank: Path) -> bool:
    """Return whether a bank uses a second encoder, or cannot be read here."""
    try:
        return not is_bank(bank) or read_manifest(bank).uses_second_encoder
    except ScopeError:
        return True  # the check of the bank says what is wrong with it


def applications_of(config: Mapping[str, Any]) -> list[ServedApplication]:
    """Return the applications of a configuration that are ours."""
    found = []
    for place, application in enumerate(as_list(config.get("applications"))):
        if as_mapping(application).get("import_path") == IMPORT_PATH:
            found.append(_read(config, ("applications", place), application))
    return found


def _read(config: Mapping[str, Any], path: Keys, application: Mapping[str, Any]) -> Any:  # noqa: ANN401
    blocks = {
        str(block["name"]): ((*path, "deployments", place), block)
        for place, block in enumerate(as_list(application.get("deployments")))
        if isinstance(block, Mapping) and "name" in block
    }
    user_config = as_mapping(blocks.get("Router", ((), {}))[1].get("user_config"))
    args = _valid(AppConfig, application.get("args") or {})
    return ServedApplication(config, path, args, _valid(RouterSettings, user_config), blocks)


def _valid(kind: type[BaseModel], value: object) -> Any:  # noqa: ANN401 - a `kind`
    try:
        return kind.model_validate_json(json.dumps(value, default=str))
    except ValidationError:
        return None


def shape_mistakes(app: ServedApplication) -> Iterator[Mistake]:
    """Yield unknown names and wrong values in ``args``, ``deployments`` and ``user_config``."""
    yield from _model_mistakes(app.config, (*app.path, "args"), AppConfig)
    names = app.deployment_names
    for name in app.blocks:
        if name not in names:
            field = app.field(name, "name")
            remedy = did_you_mean(name, names)
            yield Mistake(field, f"the application has no deployment {name}", remedy)
    yield from _user_config_mistakes(app)


def _user_config_mistakes(app: ServedApplication) -> Iterator[Mistake]:
    if "Router" in app.blocks:
        path = app.field("Router", "user_config")
        yield from _model_mistakes(app.config, path, RouterSettings)
    else:
        message = "the Router has no block, and its user_config has no default"
        remedy = "add a deployment Router with user_config: access, as serve_config.yaml has it"
        yield Mistake(app.path, message, remedy)
    for name in BATCHED:
        if name in app.blocks:
            yield from _model_mistakes(app.config, app.field(name, "user_config"), Batching)
    for name in ("Predictor", DEPLOYMENT_NAME):
        if app.block(name).get("user_config") is not None:
            path = app.field(name, "user_config")
            message = f"{dotted(app.config, path)} makes its replicas fail: it has no settings"
            yield Mistake(path, message, "remove it")


def _model_mistakes(config: object, path: Keys, kind: type[BaseModel]) -> Iterator[Mistake]:
    yield from unknown_keys(config, path, kind, "")
    yield from invalid_values(config, path, kind)


def is_here(folder: str) -> bool:
    """Return whether a file or folder is on this machine."""
    return Path(folder).expanduser().exists()
