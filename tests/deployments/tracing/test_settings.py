import pytest

from deployments.settings.active import parse_settings
from scope.errors import ConfigError

OPEN = {"access": {"anonymous": True}}


@pytest.mark.parametrize(
    "tracing",
    [
        pytest.param({}, id="all from OpenTelemetry's variables"),
        pytest.param({"endpoint": "http://collector:4318/v1/traces"}, id="a collector"),
        pytest.param({"endpoint": "https://api.example.com/otlp/v1/traces"}, id="a provider"),
        pytest.param({"sample": 0.1, "prompts": True}, id="a tenth, with texts"),
    ],
)
def test_tracing_may_be_set_like_this(tracing):
    """
    No prompts unless asked.
    """
    assert parse_settings({**OPEN, "tracing": tracing}).tracing.prompts is tracing.get(
        "prompts", False
    )


@pytest.mark.parametrize(
    ("tracing", "message"),
    [
        pytest.param(
            {"endpoint": "collector:4318"}, "expected http:// or https://", id="no scheme"
        ),
        pytest.param({"endpoint": "http://collector:4318"}, "/v1/traces", id="no path"),
        pytest.param(
            {"endpoint": "https://key-123@collector/v1/traces"},
            "OTEL_EXPORTER_OTLP_HEADERS",
            id="a key in the address",
        ),
        pytest.param({"headers": {"x-key": "key-123"}}, "headers", id="a key in the settings"),
        pytest.param({"sample": 1.5}, "sample", id="more than all"),
    ],
)
def test_a_mistake_is_one_sentence_without_keys(tracing, message):
    """
    The address may hold a key.
    """
    with pytest.raises(ConfigError) as caught:
        parse_settings({**OPEN, "tracing": tracing})

    assert message in str(caught.value)
    assert "key-123" not in str(caught.value)
