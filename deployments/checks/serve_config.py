"""Check a Serve configuration before Serve reads it.

Serve ignores unknown keys, and restarts a replica with wrong settings again and again, each time
with a traceback.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ray.runtime_env import RuntimeEnv
from ray.serve.config import (
    AutoscalingConfig,
    AutoscalingPolicy,
    GangSchedulingConfig,
    RequestRouterConfig,
)
from ray.serve.schema import ServeDeploySchema

from deployments.checks.agreement import check_agreement, summary_line
from deployments.checks.application import IMPORT_PATH, applications_of, shape_mistakes
from deployments.checks.capabilities import capability_mistakes
from deployments.checks.findings import (
    Keys,
    Mistake,
    as_list,
    as_mapping,
    did_you_mean,
    dotted,
    get_in,
    walk,
)
from deployments.checks.queues import application_queue_mistakes, blocks_of, queue_mistakes
from deployments.checks.secrets import secret_mistakes
from deployments.checks.timeouts import health_check_mistakes, timeout_mistakes
from deployments.checks.unknown_keys import invalid_value, unknown_key, unknown_keys
from deployments.checks.versions import installed_versions
from deployments.protocol import short_repr
from scope.errors import ConfigError, one_line
from scope.text_files import read_text
from scope.yaml_text import parse_yaml

IMPORT_KEYS = ("policy_function", "request_router_class")
IGNORED = ", and Serve ignores it"
BLOCK_MODELS: dict[str, type[BaseModel]] = {
    "autoscaling_config": AutoscalingConfig,
    "request_router_config": RequestRouterConfig,
    "gang_scheduling_config": GangSchedulingConfig,
}
"""Parts of a deployment that Serve checks only when it starts the deployment."""

RESOURCES = ("CPU", "GPU", "memory")
"""The names of Ray's own resources; any other name is a resource of the user."""

MISSPELT = ("cpu", "gpu", "cpus", "gpus", "memory")
"""What is meant for one of `RESOURCES`, in small letters."""


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """What a check of one Serve configuration found.

    Attributes
    ----------
    mistakes : list of Mistake
    summaries : list of str
        One line for each application of ours that has no error.
    """

    mistakes: list[Mistake]
    summaries: list[str]

    @property
    def errors(self) -> list[Mistake]:
        """The mistakes that fail or are unsafe."""
        return [mistake for mistake in self.mistakes if mistake.level == "error"]


def read_config(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises
    ------
    ConfigError
        If the file cannot be read or holds anything else.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {one_line(error)}") from error
    config = parse_yaml(text, str(path))
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with applications")
    return config


def check_config(config: Mapping[str, Any]) -> str:
    """Check a whole configuration for this machine; return a line about each application of ours.

    Raises
    ------
    ConfigError
        One sentence about the first error; `check_files` finds all, and warnings.
    """
    checked = inspect_config(config, here=True)
    if errors := checked.errors:
        more = f" (and {len(errors) - 1} more: `scope check`)" if len(errors) > 1 else ""
        raise ConfigError(f"{errors[0].sentence}{more}")
    return "\n".join(checked.summaries)


def inspect_config(config: Mapping[str, Any], *, here: bool) -> CheckedConfig:
    """Return all that is wrong with a configuration.

    Parameters
    ----------
    config : Mapping
        A Serve configuration: ``proxy_location``, ``http_options``, ``applications``.
    here : bool
        The applications will run on this machine, so that their files must be here.
    """
    mistakes = [*_serve_mistakes(config), *queue_mistakes(config), *health_check_mistakes(config)]
    mistakes += [*secret_mistakes(config), *installed_versions(config)]
    applications = applications_of(config)
    if not applications:
        message = f"no application has import_path {IMPORT_PATH}"
        mistakes.append(Mistake(("applications",), message, "add one, as serve_config.yaml has it"))
    summaries = []
    for app in applications:
        agreement = check_agreement(app, here=here)
        ours = [*shape_mistakes(app), *agreement.mistakes, *timeout_mistakes(app)]
        ours += [*application_queue_mistakes(app), *capability_mistakes(app)]
        mistakes += ours
        summaries.append(summary_line(app, agreement))
    checked = CheckedConfig(_without_repetition(mistakes), summaries)
    return CheckedConfig(checked.mistakes, []) if checked.errors else checked


def _without_repetition(mistakes: list[Mistake]) -> list[Mistake]:
    """Keep the first mistake about each path and level: later checks say the same otherwise."""
    seen: dict[tuple[Keys, str], Mistake] = {}
    for mistake in mistakes:
        seen.setdefault((mistake.path, mistake.level), mistake)
    return list(seen.values())


def _serve_mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield unknown keys and wrong values of everything that Serve itself reads."""
    yield from unknown_keys(config, (), ServeDeploySchema, IGNORED)
    # Serve refuses these, too, with a sentence about the whole file.
    unusable = [*_imports(config), *_no_mappings(config), *_misplaced(config)]
    yield from unusable or _refused(config, (), ServeDeploySchema)
    for place in range(len(as_list(config.get("applications")))):
        path: Keys = ("applications", place)
        yield from _runtime_env(config, (*path, "runtime_env"))
        yield from unknown_keys(config, (*path, "autoscaling_policy"), AutoscalingPolicy, IGNORED)
    for block in blocks_of(config):
        yield from _runtime_env(config, (*block.path, "ray_actor_options", "runtime_env"))
        yield from _bundles(config, (*block.path, "placement_group_bundles"))
        for key, kind in BLOCK_MODELS.items():
            if isinstance(block.value.get(key), Mapping) and not unusable:
                yield from _refused(config, (*block.path, key), kind)


def _imports(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield names of code of ours or of Ray that does not exist: replicas would not start."""
    for path, value in walk(config):
        is_import = path and path[-1] in IMPORT_KEYS and isinstance(value, str)
        if not is_import or not value.startswith(("deployments.", "ray.")):
            continue
        module, _, name = value.replace(":", ".").rpartition(".")
        try:
            known = vars(import_module(module))
        except ImportError:
            message = f"{dotted(config, path)} names the module {module}, which does not exist"
            yield Mistake(path, message, "name a function or class as MODULE:NAME")
            continue
        if name not in known:
            message = f"{dotted(config, path)} names {name}, which {module} does not have"
            public = [other for other in known if not other.startswith("_")]
            yield Mistake(path, message, did_you_mean(name, public, optional=False))


def _no_mappings(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the entries of lists that are no mappings."""
    lists: list[Keys] = [("applications",)]
    n_applications = len(as_list(config.get("applications")))
    lists += [("applications", place, "deployments") for place in range(n_applications)]
    for path in lists:
        for place, entry in enumerate(as_list(get_in(config, path))):
            if not isinstance(entry, Mapping):
                field = (*path, place)
                message = f"{dotted(config, field)} is {short_repr(entry)}"
                yield Mistake(field, message, "it should be a mapping with a name")


def _misplaced(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the address of Serve where it is given for one application."""
    for place, application in enumerate(as_list(config.get("applications"))):
        for key in ("host", "port"):
            if key in as_mapping(application):
                path = ("applications", place, key)
                message = f"{dotted(config, path)} of an application makes Serve refuse the file"
                yield Mistake(path, message, f"set http_options.{key}")


def _refused(config: Mapping[str, Any], path: Keys, kind: type[BaseModel]) -> Iterator[Mistake]:
    """Yield the values that a model of Serve refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about deprecated fields, at each start of Serve
            kind.model_validate(get_in(config, path))
    except (AttributeError, TypeError, KeyError) as error:  # in a validator of Serve
        message = f"{dotted(config, path)} is refused by Serve: {one_line(error)}"
        yield Mistake(path, message, "compare it with serve_config.yaml")
    except ValidationError as error:
        for details in error.errors(include_url=False):
            whole = kind is AutoscalingConfig and not details["loc"]  # min, max: in `queues`
            if details["type"] != "extra_forbidden" and not whole:
                yield invalid_value(config, path, details)


def _runtime_env(config: object, path: Keys) -> Iterator[Mistake]:
    known = {name for name in RuntimeEnv.known_fields if not name.startswith("_")}
    for key in as_mapping(get_in(config, path)):
        if key not in known:
            yield unknown_key(config, (*path, key), known, ", and Ray ignores it")


def _bundles(config: object, path: Keys) -> Iterator[Mistake]:
    """Yield names of resources that differ from Ray's in upper and lower case."""
    for place, bundle in enumerate(as_list(get_in(config, path))):
        for key in as_mapping(bundle):
            if key not in RESOURCES and str(key).lower() in MISSPELT:
                field = (*path, place, key)
                message = f"{dotted(config, field)} is no resource of Ray, so that no node fits"
                yield Mistake(field, message, did_you_mean(str(key), RESOURCES))
