"""Flags of the commands that call models at an endpoint, and the endpoint they stand for."""

import math
import os
from typing import Annotated

import typer

from scope.errors import ConfigError
from scope.upstream import EndpointConfig, RetryPolicy, variable_in_words, variable_problem

KEY_VARIABLE = "OPENROUTER_API_KEY"
CONCURRENCY, TIMEOUT_S, ATTEMPTS = 16, 300.0, 5

BaseUrl = Annotated[str, typer.Option(help="URL of an OpenAI-compatible API.")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable with the API key.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Most calls in flight.")]
Rate = Annotated[float | None, typer.Option(help="Most requests per second.")]
Timeout = Annotated[float, typer.Option(help="Seconds per attempt.")]
Attempts = Annotated[int, typer.Option(min=1, help="Attempts in one run before a call fails.")]
BudgetUsd = Annotated[
    float | None,
    typer.Option(help="Start no call that could exceed this total, earlier runs included, USD."),
]
Temperature = Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")]
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Parameter that is not sent, as temperature; repeatable."),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=OTHER", help="Parameter that is sent under another name."),
]
Default = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Parameter that is sent besides, a value in JSON."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Set earlier results aside and make every call again.")
]


def endpoint_from_flags(
    base_url: str,
    key_variable: str,
    concurrency: int,
    rate: float | None,
    timeout: float,
    attempts: int,
) -> EndpointConfig:
    """Return the endpoint that the flags describe, with the key of the environment.

    Raises
    ------
    ConfigError
        If a number is out of range, the URL is none, or the variable holds no key.
    """
    return EndpointConfig(
        base_url,
        api_key(key_variable),
        concurrency=concurrency,
        rate=rate,
        timeout_s=timeout,
        retries=RetryPolicy(attempts=attempts),
    )


def names_in(models: str) -> tuple[str, ...]:
    """Return the names in a list that is separated by commas."""
    return tuple(name.strip() for name in models.split(",") if name.strip())


def api_key(variable: str) -> str:
    """Return the key in an environment variable.

    Raises
    ------
    ConfigError
        If there is none, or the text is no name of a variable.
    """
    if problem := variable_problem(variable):
        raise ConfigError(f"--key-variable is {problem}")
    key = os.environ.get(variable, "")
    if not key.strip():
        raise ConfigError(
            f"{variable_in_words(variable)} is not set; put the key of the API there, or "
            "name another with --key-variable (a server without keys takes any text)"
        )
    return key


def check_positive(**values: float | None) -> None:
    """Raise `ConfigError` for the first flag whose number is not above 0; None is not given."""
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} is {value:g}; expected a number above 0")
