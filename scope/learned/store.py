"""Folders of trained networks: a manifest in JSON, weights as safetensors, tokenizer files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from scope.config import parse
from scope.errors import ConfigError
from scope.learned.spec import RewardSpec, RouterSpec
from scope.storage import read_json, sha256, write_json

ROUTER = "router.json"
REWARD = "reward.json"

Spec = TypeVar("Spec", RouterSpec, RewardSpec)


def write_spec(folder: Path, name: str, spec: Spec) -> Spec:
    """Write the manifest with the hashes of all other files; return it as written."""
    files = {
        path.name: sha256(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != name
    }
    whole = spec.model_copy(update={"files": files})
    write_json(folder / name, whole.model_dump(mode="json"))
    return whole


def read_spec(folder: Path, name: str, kind: type[Spec]) -> Spec:
    """Read a manifest and check the files that it names.

    Raises
    ------
    ConfigError
        If the folder has no such manifest, or a file is missing or was altered.
    """
    if not (folder / name).is_file():
        raise ConfigError(
            f"{folder} holds no {name}; expected a folder written by `scope train "
            f"{name.removesuffix('.json')}`"
        )
    spec = parse(kind, read_json(folder / name), str(folder / name))
    _check_files(folder, spec.files)
    return spec


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    for file, expected in files.items():
        path = folder / file
        if not path.is_file():
            raise ConfigError(f"{folder} lacks {file}, which its manifest names; fetch it again")
        if (found := sha256(path)) != expected:
            raise ConfigError(
                f"{path} was altered: its sha256 is {found[:12]}…, the manifest says "
                f"{expected[:12]}…; train again or fetch the folder again"
            )
