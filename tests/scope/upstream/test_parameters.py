import pytest

from scope.upstream.parameters import ParameterRules, known_rules


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        pytest.param("o1", {"max_completion_tokens": 9}, id="o1"),
        pytest.param("openai/o3-mini", {"max_completion_tokens": 9}, id="provider's prefix"),
        pytest.param("gpt-5-mini-2025-08-07", {"max_completion_tokens": 9}, id="gpt-5 and a date"),
        pytest.param(
            "gpt-5-chat-latest", {"max_completion_tokens": 9, "temperature": 0}, id="gpt-5-chat"
        ),
        pytest.param("gpt-5.2", {"max_completion_tokens": 9, "temperature": 0}, id="gpt-5.2"),
        pytest.param("gpt-4o", {"max_tokens": 9, "temperature": 0}, id="gpt-4o"),
        pytest.param("olmo-2", {"max_tokens": 9, "temperature": 0}, id="an o without a number"),
    ],
)
def test_reasoning_models_of_openai_get_the_parameters_that_they_know(model, sent):
    """
    Others get what the client sent.
    """
    assert known_rules(model).fit({"max_tokens": 9, "temperature": 0}) == sent


def test_mistral_models_get_the_old_name():
    """
    Their API refuses the new one.
    """
    assert known_rules("mistral-large-latest").fit({"max_completion_tokens": 9}) == {
        "max_tokens": 9
    }


@pytest.mark.parametrize(
    ("rules", "sent"),
    [
        pytest.param(ParameterRules(), {"a": 1, "b": 2}, id="none"),
        pytest.param(ParameterRules(rename={"a": "c"}), {"b": 2, "c": 1}, id="rename"),
        pytest.param(ParameterRules(rename={"a": "b"}), {"b": 2}, id="the new name wins"),
        pytest.param(ParameterRules(drop=("a", "z")), {"b": 2}, id="drop"),
        pytest.param(ParameterRules({"a": "c"}, ("c",)), {"b": 2}, id="drop by the new name"),
        pytest.param(
            ParameterRules(default={"a": 7, "z": 8}), {"a": 1, "b": 2, "z": 8}, id="default"
        ),
    ],
)
def test_rules_change_only_what_they_name(rules, sent):
    """
    The body itself stays as it is.
    """
    body = {"a": 1, "b": 2}

    assert rules.fit(body) == sent
    assert body == {"a": 1, "b": 2}
