import pytest

from deployments.protocol.request_errors import RequestError
from deployments.settings.preferences import AutoRouterPlugin, RequestOptions


@pytest.mark.parametrize(
    ("trade_off", "alpha"),
    [
        pytest.param(0, 1.0, id="quality only"),
        pytest.param(7, 0.3, id="OpenRouter's default"),
        pytest.param(10, 0.0, id="cheapest"),
    ],
)
def test_openrouters_tradeoff_is_one_minus_alpha(trade_off, alpha):
    """
    0 of 10 is alpha 1.
    """
    plugin = AutoRouterPlugin(id="auto-router", cost_quality_tradeoff=trade_off)

    assert plugin.merged_into(RequestOptions()).alpha == pytest.approx(alpha)


def test_a_plugin_adds_to_the_field_scope():
    """
    Its list of models and our alpha combine.
    """
    plugin = AutoRouterPlugin(id="auto-router", allowed_models=["openai/*"])

    got = plugin.merged_into(RequestOptions(alpha=0.2, session_id="s"))

    assert got == RequestOptions(alpha=0.2, session_id="s", allowed_models=("openai/*",))


def test_a_disabled_plugin_changes_nothing():
    """
    ``enabled: false`` is part of OpenRouter's format.
    """
    plugin = AutoRouterPlugin(id="auto-router", enabled=False, cost_quality_tradeoff=10)

    assert plugin.merged_into(RequestOptions()) == RequestOptions()


@pytest.mark.parametrize(
    ("options", "plugin", "message"),
    [
        pytest.param(
            {"min_quality": 0.9},
            {"cost_quality_tradeoff": 3},
            "scope.min_quality and cost_quality_tradeoff",
            id="two objectives",
        ),
        pytest.param(
            {"allowed_models": ["a"]},
            {"allowed_models": ["b"]},
            "scope.allowed_models and allowed_models",
            id="two lists",
        ),
    ],
)
def test_scope_and_plugin_must_not_conflict(options, plugin, message):
    """
    Neither overrides the other.
    """
    with pytest.raises(RequestError, match=message):
        AutoRouterPlugin(id="auto-router", **plugin).merged_into(RequestOptions(**options))
