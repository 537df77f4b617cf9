"""Calls of models by OpenTelemetry's semantic conventions for generative AI, release 0.1.0.

https://github.com/open-telemetry/semantic-conventions-genai/blob/v0.1.0/docs/gen-ai/client-inference.md
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from scope.arms import EFFORTS
from scope.prices import TokenUsage

OPENAI = "openai"
PROVIDERS = {
    "api.anthropic.com": "anthropic",
    "*.openai.azure.com": "azure.ai.openai",
    "*.services.ai.azure.com": "azure.ai.inference",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "*aiplatform.googleapis.com": "gcp.vertex_ai",
    "bedrock-*.amazonaws.com": "aws.bedrock",
    "*.ml.cloud.ibm.com": "ibm.watsonx.ai",
    "api.cohere.*": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.*": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "*.x.ai": "x_ai",
}
"""Pattern of hosts -> the conventions' name of the provider; any other host speaks OpenAI's API."""

NUMBERS = {
    "gen_ai.request.choice.count": ("n",),
    "gen_ai.request.max_tokens": ("max_completion_tokens", "max_tokens"),
    "gen_ai.request.temperature": ("temperature",),
    "gen_ai.request.top_p": ("top_p",),
    "gen_ai.request.frequency_penalty": ("frequency_penalty",),
    "gen_ai.request.presence_penalty": ("presence_penalty",),
    "gen_ai.request.seed": ("seed",),
}
"""Attribute -> parameters of a request that have its value."""


MAX_INT = 2**63 - 1
MAX_CHARS = 200
"""Of what an upstream calls its model or answer."""


def request_attributes(model: str, base_url: str, body: Mapping[str, Any]) -> dict[str, object]:
    """Return the attributes of a call before its answer; none of them is text of the client.

    Parameters
    ----------
    model : str
        Name of the model at the upstream.
    base_url : str
        Of the upstream.
    body : mapping
        The request.
    """
    address = urlsplit(base_url)
    host = address.hostname or ""
    effort = body.get("reasoning_effort")
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_name(host),
        "gen_ai.request.model": model,
        "gen_ai.request.stream": True if body.get("stream") is True else None,
        "gen_ai.request.reasoning.level": effort if effort in EFFORTS else None,
        "server.address": host,
        "server.port": address.port or (443 if address.scheme == "https" else 80),
        **{
            attribute: next((body[name] for name in names if _is_number(body.get(name))), None)
            for attribute, names in NUMBERS.items()
        },
    }


def answer_attributes(
    usage: Mapping[str, Any] | None,
    *,
    id: object,
    model: object,
    finish_reasons: Sequence[object],
    cost_usd: float | None,
) -> dict[str, object]:
    """Return the attributes of an answer, as far as the upstream states them.

    Parameters
    ----------
    usage : mapping or None
    id, model : str, if the upstream is sane
        As the upstream names answer and model.
    finish_reasons : sequence of str
        Of each choice.
    cost_usd : float or None
    """
    tokens = TokenUsage.from_json(usage)
    return {
        "gen_ai.response.id": _text(id),
        "gen_ai.response.model": _text(model),
        "gen_ai.response.finish_reasons": [_text(reason) or "error" for reason in finish_reasons],
        "gen_ai.usage.input_tokens": tokens.prompt_tokens,
        "gen_ai.usage.output_tokens": tokens.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": tokens.special.cached or None,
        "gen_ai.usage.cache_write.input_tokens": tokens.special.cache_write or None,
        "gen_ai.usage.reasoning.output_tokens": tokens.special.reasoning or None,
        "scope.cost_usd": cost_usd,
    }


def provider_name(host: str) -> str:
    """Return the conventions' name of the provider at a host.

    Examples
    --------
    >>> provider_name("api.mistral.ai"), provider_name("eu.openai.azure.com"), provider_name("vllm")
    ('mistral_ai', 'azure.ai.openai', 'openai')
    """
    return next((name for known, name in PROVIDERS.items() if fnmatchcase(host, known)), OPENAI)


def _is_number(value: object) -> bool:
    """Return whether a value is a number that a span can hold: one that cannot costs its batch."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= MAX_INT
    return isinstance(value, float)


def _text(value: object) -> str | None:
    """Return a short text without halves of characters, which a span cannot hold, either."""
    if not isinstance(value, str) or not value:
        return None
    return value[:MAX_CHARS].encode(errors="replace").decode()
