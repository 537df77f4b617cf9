"""Check a Serve configuration before Serve reads it.

Serve ignores unknown keys, and restarts a replica with wrong settings again and again, each time
with a traceback.
"""

from collections.abc import Collection, Iterator, Mapping
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

from deployments.protocol import format_error, predicted_arms
from deployments.replicas import Batching
from deployments.replicas.app_config import AppConfig
from deployments.replicas.engine import DEPLOYMENT_NAME
from deployments.replicas.learned_router import check_routers
from deployments.replicas.reasoner import ReasonerArgs, check_reasoner
from deployments.replicas.selector import SelectorArgs
from deployments.settings import ActiveSettings, check_bind, parse_settings
from scope.arms import resampled_arms
from scope.bank import is_bank, load_bank
from scope.config import parse
from scope.errors import ConfigError, join_names, one_line
from scope.pool import ModelSpec
from scope.reasoner import check_capacity

IMPORT_PATH = "deployments.app:build_app"
DEPLOYMENT_NAMES = ("Router", "Embedder", "Predictor")
BATCHED = {"Embedder", "Selector", "LearnedRouter"}
"""Deployments whose ``user_config`` is `Batching`."""
PLACEMENT_KEYS = ("placement_group_bundles", "placement_group_strategy", "ray_actor_options")
"""Settings of a deployment that would override what an engine derives from its arguments."""


def read_config(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises
    ------
    ConfigError
        If the file cannot be read or holds anything else.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {one_line(error)}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with applications")
    return config


def check_config(config: Mapping[str, Any]) -> str:
    """Check a whole configuration; return a line about each application of ours.

    Raises
    ------
    ScopeError
        One sentence about the first mistake.
    """
    if unknown := list(_unknown_keys(config)):
        raise ConfigError(f"unknown {', '.join(unknown)}; Serve would ignore it")
    try:
        schema = ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        mistakes = (format_error(mistake) for mistake in error.errors(include_url=False))
        raise ConfigError("; ".join(mistakes)) from None
    ours = [app for app in config.get("applications", []) if app.get("import_path") == IMPORT_PATH]
    if not ours:
        raise ConfigError(f"no application has import_path {IMPORT_PATH}")
    return "\n".join(_check_application(app, schema.http_options.host) for app in ours)


def _check_application(application: Mapping[str, Any], host: str) -> str:
    args = parse(AppConfig, application.get("args", {}), "args")
    blocks = {block["name"]: block for block in application.get("deployments", [])}
    names = _deployment_names(args)
    if unknown := sorted(set(blocks) - set(names)):
        raise ConfigError(f"no deployment {', '.join(unknown)}; expected {', '.join(names)}")
    user_config = blocks.get("Router", {}).get("user_config", {})
    models, predicted, notes = _models(args, user_config)
    routers = check_routers(args.routers)
    learned = tuple(model for router in routers.values() for model in router.spec.models)
    current = ActiveSettings.from_user_config(user_config, models, learned)
    check_bind(host, current.settings.access)
    arms = {name: router.spec.arms for name, router in routers.items()}
    current.settings.check_strategy(arms, predicted)
    current.settings.reasoning.check(engine=args.reasoner is not None)
    for name in BATCHED & set(blocks):
        parse(Batching, blocks[name].get("user_config", {}), f"the {name}'s user_config")
    if isinstance(args.selector, SelectorArgs):
        args.selector.check()
        notes = f"; samples are chosen by {args.selector.model}{notes}"
    notes = f"{_selector_note(current.models, args.selector)}{notes}"
    if routers:
        notes = f"; learned routers: {', '.join(routers)}{notes}"
    if args.reasoner is not None:
        notes = f"; {_check_engines(args.reasoner, blocks.get(DEPLOYMENT_NAME, {}))}{notes}"
    n_upstreams = len(current.with_upstream(current.models))
    return f"valid: {len(current.models)} models, {n_upstreams} with an upstream, on {host}{notes}"


def _deployment_names(args: AppConfig) -> tuple[str, ...]:
    """Return the deployments that these arguments start."""
    optional = {
        DEPLOYMENT_NAME: args.reasoner is not None,
        "Selector": isinstance(args.selector, SelectorArgs),
        "LearnedRouter": bool(args.routers),
    }
    return (*DEPLOYMENT_NAMES, *(name for name, runs in optional.items() if runs))


def _models(
    args: AppConfig, user_config: Mapping[str, Any]
) -> tuple[tuple[ModelSpec, ...], Collection[str], str]:
    """Return the models, the arms of the pool that are predicted, and what was not checked.

    The models are those of the bank, else of the file.
    """
    pool = parse_settings(user_config).pool or ()
    folder = Path(args.bank)
    listed = parse_settings(user_config).models
    if listed and not is_bank(folder):
        return listed, pool, f"; bank {folder} is not on this machine and was not checked"
    bank = load_bank(folder)
    if args.reasoner is not None:
        check_reasoner(args.reasoner, bank)
    return bank.models, predicted_arms(bank, pool), ""


def _selector_note(models: tuple[ModelSpec, ...], selector: object) -> str:
    """Return a note if several samples are chosen by another selector than they were fitted for."""
    by_majority = not isinstance(selector, SelectorArgs)
    other = [
        f"{name} ({known.selector})"
        for name, known in resampled_arms(models)
        if (known.selector == "majority") != by_majority
    ]
    if not other:
        return ""
    here = "the majority" if by_majority else "the Selector"
    return (
        f"; note: {here} chooses here, and the bank knows another selector of {join_names(other)}"
    )


def _check_engines(reasoner: ReasonerArgs, block: Mapping[str, Any]) -> str:
    """Return the resources that the engines need.

    Raises
    ------
    ScopeError
        If the settings of the engines contradict each other.
    """
    if misplaced := [name for name in PLACEMENT_KEYS if name in block]:
        raise ConfigError(
            f"{DEPLOYMENT_NAME}.{misplaced[0]} would override args.reasoner.engine, "
            "which defines what an engine runs on; set it there"
        )
    engine, scaling = reasoner.engine, block.get("autoscaling_config", {})
    if engine.gpus_per_node is not None:
        check_capacity(engine, ())
    limit, target = block.get("max_ongoing_requests"), scaling.get("target_ongoing_requests")
    if limit is not None and target is not None and target > limit:
        raise ConfigError(
            f"{DEPLOYMENT_NAME}.autoscaling_config.target_ongoing_requests is {target}, "
            f"but an engine never has more than max_ongoing_requests, {limit}: "
            "no second engine would start"
        )
    n_engines = scaling.get("max_replicas", block.get("num_replicas", 1))
    if engine.accelerator == "cpu":
        return f"at most {n_engines} engines on CPUs"
    n_gpus = engine.tensor_parallel
    gpus = "1 GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return f"at most {n_engines} engines of {gpus} take {n_engines * n_gpus}"


def _unknown_keys(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the unknown keys of a file, of its applications and of their deployments."""
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
