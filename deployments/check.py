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
from deployments.protocol import format_error
from deployments.replicas import Batching
from deployments.replicas.engine import DEPLOYMENT_NAME
from deployments.replicas.reasoner import ReasonerArgs, check_reasoner
from deployments.settings import ActiveSettings, check_bind, parse_settings
from scope.bank import is_bank, load_bank
from scope.config import parse
from scope.errors import ConfigError, ScopeError
from scope.pool import ModelSpec
from scope.reasoner import check_capacity

IMPORT_PATH = "deployments.app:build_app"
DEPLOYMENT_NAMES = ("Router", "Embedder", "Predictor")
PLACEMENT_KEYS = ("placement_group_bundles", "placement_group_strategy", "ray_actor_options")
"""Settings of a deployment that would part an engine from what its arguments say."""


def check(path: Path) -> str:
    """Check all of a file; returns what it serves, in a line.

    Raises
    ------
    ScopeError
        With one sentence for what is wrong.
    """
    config = _read(path)
    if strangers := list(_unknown_keys(config)):
        raise ConfigError(f"{path}: unknown {', '.join(strangers)}; Serve would ignore it")
    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        mistakes = "; ".join(format_error(one) for one in error.errors(include_url=False))
        raise ConfigError(f"{path}: {mistakes}") from None
    ours = [app for app in config.get("applications", []) if app.get("import_path") == IMPORT_PATH]
    if not ours:
        raise ConfigError(f"{path}: no application has import_path {IMPORT_PATH}")
    host = config.get("http_options", {}).get("host", "0.0.0.0")
    return "\n".join(_checked(app, host) for app in ours)


def _checked(application: Mapping[str, Any], host: str) -> str:
    args = parse(AppConfig, application.get("args", {}), "args")
    blocks = {block["name"]: block for block in application.get("deployments", [])}
    names = DEPLOYMENT_NAMES if args.reasoner is None else (*DEPLOYMENT_NAMES, DEPLOYMENT_NAME)
    if strangers := sorted(set(blocks) - set(names)):
        raise ConfigError(f"no deployment {', '.join(strangers)}; expected {', '.join(names)}")
    user_config = blocks.get("Router", {}).get("user_config", {})
    models, told = _models(args, user_config)
    current = ActiveSettings.from_user_config(user_config, models)
    check_bind(host, current.settings.access)
    current.settings.reasoning.check(engine=args.reasoner is not None)
    parse(Batching, blocks.get("Embedder", {}).get("user_config", {}), "the Embedder's user_config")
    if args.reasoner is not None:
        told = f"; {_engines(args.reasoner, blocks.get(DEPLOYMENT_NAME, {}))}{told}"
    n_called = len(current.settings.upstreams)
    return (
        f"{len(current.models)} models, {n_called} with an upstream, on {host}: "
        f"nothing is wrong{told}"
    )


def _models(args: AppConfig, user_config: Mapping[str, Any]) -> tuple[tuple[ModelSpec, ...], str]:
    """Return the models of the bank, else of the file, and what could not be checked."""
    folder = Path(args.bank)
    stated = parse_settings(user_config).models
    if stated and not is_bank(folder):
        return stated, f"; but bank {folder} is not on this machine: that it fits was not checked"
    bank = load_bank(folder)
    if args.reasoner is not None:
        check_reasoner(args.reasoner, bank)
    return bank.models, ""


def _engines(reasoner: ReasonerArgs, block: Mapping[str, Any]) -> str:
    """Return what the engines take.

    Raises
    ------
    ScopeError
        If what the file says of them cannot be true together.
    """
    if misplaced := [name for name in PLACEMENT_KEYS if name in block]:
        raise ConfigError(
            f"{DEPLOYMENT_NAME}.{misplaced[0]} would overrule args.reasoner.engine, "
            "which says what an engine runs on; say it there"
        )
    engine, scaling = reasoner.engine, block.get("autoscaling_config", {})
    if engine.gpus_per_node is not None:
        check_capacity(engine, ())
    at_once, target = block.get("max_ongoing_requests"), scaling.get("target_ongoing_requests")
    if at_once is not None and target is not None and target > at_once:
        raise ConfigError(
            f"{DEPLOYMENT_NAME}.autoscaling_config.target_ongoing_requests is {target}, "
            f"but an engine never has more than max_ongoing_requests, {at_once}: "
            "no other would be started"
        )
    n_engines = scaling.get("max_replicas", block.get("num_replicas", 1))
    if engine.accelerator == "cpu":
        return f"at most {n_engines} engines on CPUs"
    each = engine.tensor_parallel
    gpus = "1 GPU" if each == 1 else f"{each} GPUs"
    return f"at most {n_engines} engines of {gpus} take {n_engines * each}"


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with applications")
    return config


def _unknown_keys(config: Mapping[str, Any]) -> Iterator[str]:
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
