"""Fit the parameters of a request to a model: drop, rename, or set what the client left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SAMPLING = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
"""Parameters that OpenAI's reasoning models refuse."""

OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
)
"""Parameters with two names, of which a model may know only one."""

_OPENAI_REASONING = re.compile(r"o\d|gpt-5(-(mini|nano|pro|codex))?(-\d{4}.*)?")
"""GPT-5 chat models and GPT-5.1 onwards accept a temperature, at least without reasoning."""
_OPENAI_NEW_NAME = re.compile(r"o\d|gpt-([5-9]|\d\d)")
_MISTRAL = re.compile(r"(open-)?(mistral|mixtral|ministral|codestral|magistral|devstral|pixtral)-")


@dataclass(frozen=True, slots=True)
class ParameterRules:
    """What happens to the parameters of a request before a model gets it.

    Attributes
    ----------
    rename : mapping of str to str
        Parameter -> the name that the model knows; a value under that name takes precedence.
    drop : tuple of str
        Parameters that the model refuses, by their new names.
    default : mapping
        Values of parameters that the request does not set.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    default: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body that the model accepts.

        Examples
        --------
        >>> known_rules("o3").fit({"max_tokens": 9, "temperature": 0})
        {'max_completion_tokens': 9}
        """
        fitted = dict(body)
        for name, other in self.rename.items():
            if name in fitted:
                value = fitted.pop(name)
                fitted.setdefault(other, value)
        for name in self.drop:
            fitted.pop(name, None)
        return {**self.default, **fitted} if self.default else fitted


def rules_for(
    model: str,
    drop: tuple[str, ...] | None,
    rename: Mapping[str, str] | None,
    default: Mapping[str, Any] | None,
) -> ParameterRules:
    """Return what is set for a model; None: what is known of it by its name."""
    known = known_rules(model)
    return ParameterRules(
        known.rename if rename is None else rename,
        known.drop if drop is None else drop,
        default or {},
    )


def known_rules(model: str) -> ParameterRules:
    """Return what is known of a model by its name; a provider's prefix does not matter.

    OpenAI's models since o1 and GPT-5 want ``max_completion_tokens`` in place of ``max_tokens``,
    and those that always reason refuse the parameters of sampling; Mistral's know only
    ``max_tokens``.
    """
    name = model.lower().rpartition("/")[2]
    drop = SAMPLING if _OPENAI_REASONING.match(name) and _always_reasons(name) else ()
    if _OPENAI_NEW_NAME.match(name):
        return ParameterRules({"max_tokens": "max_completion_tokens"}, drop)
    if _MISTRAL.match(name):
        return ParameterRules({"max_completion_tokens": "max_tokens"})
    return ParameterRules()


def _always_reasons(name: str) -> bool:
    return name.startswith("o") or _OPENAI_REASONING.fullmatch(name) is not None
