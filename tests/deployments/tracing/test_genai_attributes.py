import pytest

from deployments.tracing.genai_attributes import (
    answer_attributes,
    provider_name,
    request_attributes,
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("eu.openai.azure.com", "azure.ai.openai"),
        ("europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("my-vllm.us-east-1.elb.amazonaws.com", "openai"),
        ("openrouter.ai", "openai"),
        ("127.0.0.1", "openai"),
    ],
)
def test_a_provider_is_named_by_its_host(host, expected):
    """
    An unknown one speaks OpenAI's API.
    """
    assert provider_name(host) == expected


def test_parameters_are_recorded_if_they_are_numbers():
    """
    Clients may send anything, and text might be that of a prompt.
    """
    body = {
        "max_completion_tokens": 9,
        "max_tokens": 5,
        "temperature": "hot",
        "top_p": True,
        "n": 2,
        "seed": 2**63,
        "reasoning_effort": "low",
        "stop": ["secret"],
    }

    got = request_attributes("gpt-5", "https://api.openai.com/v1", body)

    assert {name: value for name, value in got.items() if value is not None} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.reasoning.level": "low",
        "server.address": "api.openai.com",
        "server.port": 443,
    }


def test_special_tokens_have_their_own_attributes():
    """
    They are part of all tokens.
    """
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }

    got = answer_attributes(usage, id="x", model="m", finish_reasons=["stop"], cost_usd=0.5)

    assert got["gen_ai.usage.input_tokens"] == 100
    assert got["gen_ai.usage.output_tokens"] == 50
    assert got["gen_ai.usage.cache_read.input_tokens"] == 80
    assert got["gen_ai.usage.reasoning.output_tokens"] == 30
    assert got["scope.cost_usd"] == 0.5


def test_text_of_an_upstream_fits_into_a_span():
    """
    Half a character would cost all spans that are sent with it.
    """
    got = answer_attributes(None, id="\ud800", model="m" * 999, finish_reasons=[], cost_usd=None)

    assert (got["gen_ai.response.id"], len(str(got["gen_ai.response.model"]))) == ("?", 200)


def test_what_an_upstream_does_not_say_is_unknown():
    """
    A missing finish reason is an error by the conventions; missing tokens are not 0.
    """
    got = answer_attributes(None, id=7, model=None, finish_reasons=["stop", None], cost_usd=None)

    assert {name: value for name, value in got.items() if value is not None} == {
        "gen_ai.response.finish_reasons": ["stop", "error"]
    }
