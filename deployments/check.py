"""Check a serve_config.yaml before Serve reads it: ``python -m deployments.check FILE``.

Serve ignores keys that it does not know, and tries a replica whose settings are wrong again and
again, each time with a traceback.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
)

from deployments.app import AppConfig
from deployments.embedder import Batching
from deployments.keys import check_bind
from deployments.live import Current
from deployments.mistakes import sentence
from scope.bank_store import load_bank
from scope.config import parse
from scope.errors import ConfigError, ScopeError

OURS = "deployments.app:build_app"
NAMES = ("Router", "Embedder", "Predictor")


def check(path: Path) -> str:
    """Check all of a file; returns what it serves, in a line.

    Raises
    ------
    ScopeError
        With one sentence for what is wrong.
    """
    config = _read(path)
    if strangers := list(_strangers(config)):
        raise ConfigError(f"{path}: unknown {', '.join(strangers)}; Serve would ignore it")
    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        mistakes = "; ".join(sentence(one) for one in error.errors(include_url=False))
        raise ConfigError(f"{path}: {mistakes}") from None
    ours = [app for app in config.get("applications", []) if app.get("import_path") == OURS]
    if not ours:
        raise ConfigError(f"{path}: no application has import_path {OURS}")
    host = config.get("http_options", {}).get("host", "0.0.0.0")
    return "\n".join(_checked(app, host) for app in ours)


def _checked(application: Mapping[str, Any], host: str) -> str:
    args = parse(AppConfig, application.get("args", {}), "args")
    blocks = {block["name"]: block for block in application.get("deployments", [])}
    if strangers := sorted(set(blocks) - set(NAMES)):
        raise ConfigError(f"no deployment {', '.join(strangers)}; expected {', '.join(NAMES)}")
    bank = load_bank(Path(args.bank))
    current = Current.of(blocks.get("Router", {}).get("user_config", {}), bank.models)
    check_bind(host, current.settings.access)
    parse(Batching, blocks.get("Embedder", {}).get("user_config", {}), "the Embedder's user_config")
    n_called = len(current.settings.upstreams)
    return f"{len(current.models)} models, {n_called} with an upstream, on {host}: nothing is wrong"


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with applications")
    return config


def _strangers(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of a file, of its applications and of their deployments that are unknown."""
    yield from _unknown(config, ServeDeploySchema, "")
    yield from _unknown(config.get("http_options"), HTTPOptionsSchema, "http_options.")
    for application in config.get("applications") or []:
        yield from _unknown(application, ServeApplicationSchema, "applications.")
        for block in application.get("deployments") or []:
            yield from _unknown(block, DeploymentSchema, f"{block.get('name')}.")


def _unknown(block: object, kind: type[BaseModel], where: str) -> Iterator[str]:
    for key in block if isinstance(block, dict) else ():
        if key not in kind.model_fields:
            yield f"{where}{key}"


def main() -> None:
    """Check the file that is named; exit code 2 if anything is wrong."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deployments.check serve_config.yaml")
    try:
        sys.stdout.write(check(Path(sys.argv[1])) + "\n")
    except ScopeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
