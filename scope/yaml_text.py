"""Parse YAML that a user writes: what the parser dies of is one sentence."""

import json
from typing import Any

import yaml

from scope.errors import ConfigError, one_line


def parse_yaml(text: str, source: str) -> Any:  # noqa: ANN401 (YAML is anything)
    """Return the value of a YAML file, or of a JSON file, which is YAML, too.

    Raises
    ------
    ConfigError
        If it is no YAML, is nested too deeply, or holds itself.
    """
    try:
        data = yaml.safe_load(text)
        json.dumps(data, default=str, skipkeys=True)  # follows every alias
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {one_line(error)}") from error
    except ValueError as error:
        raise ConfigError(f"{source} is not YAML: {error}; expected plain values") from error
    except RecursionError:
        raise ConfigError(f"{source} is not usable: it is nested too deeply") from None
    return data
