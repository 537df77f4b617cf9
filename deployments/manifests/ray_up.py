"""Cluster files of ``ray up``, against Ray's own schema and for safety."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from deployments.checks.findings import (
    Keys,
    Mistake,
    as_list,
    as_mapping,
    as_number,
    did_you_mean,
    dotted,
    walk,
)
from deployments.manifests.json_schema import schema_mistakes
from deployments.manifests.ray_start import command_mistakes
from scope.text_files import read_text

START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
TOKEN = "RAY_AUTH_MODE=token"
SCRIPT = re.compile(r"(?:^|[;&\s])(?:\.|source)\s+([^\s;&]+)")
"""A script that a shell reads: ``. FILE`` or ``source FILE``."""

LOCAL_KEYS = ("type", "head_ip", "worker_ips", "coordinator_address", "cache_stopped_nodes")
"""Keys of ``provider`` for machines that are already there; Ray's schema allows any."""


def ray_up_mistakes(document: Mapping[str, Any], folder: Path) -> Iterator[Mistake]:
    """Yield unknown keys, wrong values and open doors of a cluster file.

    Parameters
    ----------
    document : Mapping
    folder : Path
        Of the file; the shell scripts that its commands read are looked up there.
    """
    yield from schema_mistakes(_validator().iter_errors(document), document)
    yield from _provider(as_mapping(document.get("provider")))
    yield from _node_types(document)
    for key in START_COMMANDS:
        yield from _token(document, key, folder)
    for path, value in walk(document):
        if isinstance(value, str) and "--dashboard-host" in value:
            yield from _dashboard(document, path, value)


@lru_cache(maxsize=1)
def _validator() -> Any:  # noqa: ANN401 - of jsonschema
    import ray.autoscaler
    from jsonschema import Draft7Validator

    schema = Path(ray.autoscaler.__file__).parent / "ray-schema.json"
    return Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))


def _provider(provider: Mapping[str, Any]) -> Iterator[Mistake]:
    if provider.get("type") != "local":
        return
    for key in provider:
        if key not in LOCAL_KEYS:
            path = ("provider", key)
            yield Mistake(path, f"provider.{key} is unknown", did_you_mean(key, LOCAL_KEYS))
    if "head_ip" not in provider and "coordinator_address" not in provider:
        yield Mistake(("provider",), "provider.head_ip is missing", "name the head's address")
    if repeated := _repeated(as_list(provider.get("worker_ips"))):
        message = f"provider.worker_ips names {repeated} twice"
        yield Mistake(("provider", "worker_ips"), message, "name each machine once")
    elif provider.get("head_ip") in as_list(provider.get("worker_ips")):
        message = "provider.worker_ips names the head, which cannot be both"
        yield Mistake(("provider", "worker_ips"), message, "remove it there")


def _repeated(names: Any) -> str:  # noqa: ANN401 - a list from the file
    seen: list[object] = []
    for name in names:
        if name in seen:
            return str(name)
        seen.append(name)
    return ""


def _node_types(document: Mapping[str, Any]) -> Iterator[Mistake]:
    kinds, head = as_mapping(document.get("available_node_types")), document.get("head_node_type")
    if kinds and head not in kinds:
        message = f"head_node_type is {head!r}, which available_node_types does not have"
        yield Mistake(("head_node_type",), message, did_you_mean(str(head), kinds))
    for name, kind in kinds.items():
        least = as_number(as_mapping(kind).get("min_workers"), 0.0) or 0.0
        most = as_number(as_mapping(kind).get("max_workers"))
        if most is not None and least > most:
            path = ("available_node_types", name, "max_workers")
            message = f"{dotted(document, path)} is {most:g}, less than min_workers, {least:g}"
            yield Mistake(path, message, f"set it to {least:g} or more")


def _token(document: Mapping[str, Any], key: str, folder: Path) -> Iterator[Mistake]:
    """Yield commands that start Ray without its token, which anyone may then run code on."""
    commands = [str(command) for command in as_list(document.get(key))]
    starts = [place for place, command in enumerate(commands) if "ray start" in command]
    exported = any(TOKEN in str(value) for _, value in walk(document.get("docker")))
    if not starts:
        message = f"{key} is not given: Ray starts without a token"
        yield Mistake((key,), message, "add it, with RAY_AUTH_MODE=token before ray start")
    for place in starts:
        yield from command_mistakes((key, place), f"{key}[{place}]", commands[place])
        before = " ".join(commands[: place + 1])
        if TOKEN not in before and not exported and not _is_in_script(before, folder):
            path: Keys = (key, place)
            message = f"{key}[{place}] starts Ray without a token: any host can run code on it"
            yield Mistake(path, message, "put RAY_AUTH_MODE=token before ray start")


def _is_in_script(command: str, folder: Path) -> bool:
    """Return whether a script that the command reads first asks for the token."""
    for match in SCRIPT.finditer(command):
        script = folder / Path(match[1]).name
        if not script.is_file() or TOKEN in read_text(script):
            return True  # a script that is only on the cluster is not known here
    return False


def _dashboard(document: object, path: Keys, command: str) -> Iterator[Mistake]:
    host = command.split("--dashboard-host", 1)[1].lstrip("= ").split()
    if host and host[0].strip("\"'") not in ("127.0.0.1", "localhost", "::1"):
        message = f"{dotted(document, path)} opens the dashboard to other machines"
        remedy = "use --dashboard-host=127.0.0.1, and `ray dashboard` for a tunnel"
        yield Mistake(path, message, remedy)
