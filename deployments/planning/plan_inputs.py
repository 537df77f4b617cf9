"""From what a user gives ``scope plan`` to what the plan is made of, and to the file it writes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.checks import check_config, read_config
from deployments.editing import edit_config, read_source, write_text
from deployments.planning.capacity_plan import CapacityPlan, Target
from deployments.planning.cost import OfflineScoring
from deployments.planning.layout import Load
from deployments.planning.plan_report import config_changes
from deployments.profiling.bench import application_of
from deployments.profiling.service_times import ServiceTimes
from deployments.replicas.app_config import AppConfig
from scope.bank import is_bank, read_manifest
from scope.config import parse
from scope.errors import ConfigError

MAX_REQUESTS_PER_S = 100_000.0
"""A plan adds replicas one by one; for a larger load that takes minutes."""


def check_load(load: Load, target: Target) -> None:
    """Check the numbers of a load and a target.

    Raises
    ------
    ConfigError
        One sentence about the first number that cannot be.
    """
    positive = {
        "requests per second": load.requests_per_s,
        "prompt tokens": load.prompt_tokens,
        "p95 in seconds": target.p95_s,
        "cores": 1 if target.cores is None else target.cores,
    }
    for name, value in positive.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name} is {value:g}; expected a number above 0")
    if load.requests_per_s > MAX_REQUESTS_PER_S:
        raise ConfigError(
            f"requests per second is {load.requests_per_s:g}; expected at most "
            f"{MAX_REQUESTS_PER_S:,.0f}"
        )
    if not 0 <= load.hit_rate <= 1:
        raise ConfigError(f"the cache hit rate is {load.hit_rate:g}; expected a share, 0 to 1")
    if not 0 <= target.answer_s < math.inf:
        raise ConfigError(f"the answer takes {target.answer_s:g} s; expected 0 or more")


def offline_scoring(
    questions: int | None,
    models: int | None,
    query_tokens: float,
    answer_tokens: float,
    engine_tokens_per_s: float | None,
    gpus_per_engine: int,
) -> OfflineScoring | None:
    """Return offline work; None if there are no questions.

    Raises
    ------
    ConfigError
        If a number is missing or cannot be.
    """
    if questions is None and models is None:
        return None
    fields = {
        "questions": questions,
        "models": models,
        "query_tokens": query_tokens,
        "answer_tokens": answer_tokens,
        "engine_tokens_per_s": engine_tokens_per_s,
        "gpus_per_engine": gpus_per_engine,
    }
    if missing := [name.replace("_", "-") for name, value in fields.items() if value is None]:
        raise ConfigError(f"offline scoring needs --{', --'.join(missing)}")
    return parse(OfflineScoring, fields, "offline scoring")


def gpu_shares(application: Mapping[str, Any], times: ServiceTimes) -> dict[str, float]:
    """Return the GPUs of one replica of each deployment that was measured on a GPU."""
    shares = {}
    try:
        for block in application.get("deployments") or []:
            measured = times.deployments.get(block["name"])
            if measured is not None and measured.device != "cpu":
                options = block.get("ray_actor_options", {})
                shares[block["name"]] = float(options.get("num_gpus", 0.0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "deployments: expected a list of name and ray_actor_options; `scope check` tells more"
        ) from error
    return shares


def check_bank_measured(application: Mapping[str, Any], times: ServiceTimes) -> None:
    """Check that the encoders of an application's bank are those that were measured.

    A bank that is not on this machine is not checked.

    Raises
    ------
    ConfigError
        If its second encoder was not measured, or one was that it does not use.
    """
    bank = Path(parse(AppConfig, application.get("args") or {}, "args").bank)
    if not is_bank(bank):
        return
    uses, measured = read_manifest(bank).uses_second_encoder, "SecondEmbedder" in times.batched
    if uses != measured:
        has = "has no times of the SecondEmbedder" if uses else "has times of a SecondEmbedder"
        needs = "uses a second encoder" if uses else "uses one encoder"
        raise ConfigError(
            f"the file of service times {has}, and bank {bank} {needs}; name the configuration "
            "that was measured by --config, or run `scope bench-replica` with this one"
        )


def write_config(plan: CapacityPlan, source: Path, output: Path) -> None:
    """Write a configuration with the values of a plan; its layout stays.

    Raises
    ------
    ConfigError
        If the result would not pass ``scope check``; then nothing is written.
    """
    config = read_config(source)
    check_config(config)
    blocks = application_of(config).get("deployments") or []
    scaling = {block["name"]: block.get("autoscaling_config") or {} for block in blocks}
    at_least = {name: found.get("min_replicas", 1) for name, found in scaling.items()}
    text = edit_config(read_source(source), config_changes(plan, at_least), str(source))
    check_config(yaml.safe_load(text))
    write_text(text, output, mode_of=source)
