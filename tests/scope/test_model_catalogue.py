import pytest

from scope.model_catalogue import ModelLimits, catalogued


@pytest.mark.parametrize(
    ("name", "window", "some"),
    [
        pytest.param("gpt-4o-2024-05-13", 128_000, {"vision", "function_calling"}, id="name"),
        pytest.param("openai/gpt-4o-2024-05-13:free", 128_000, {"vision"}, id="with a provider"),
        pytest.param("o3", 200_000, {"function_calling", "response_schema"}, id="o3"),
        pytest.param("o3-9999-12-31", 200_000, {"vision"}, id="a date that it does not know"),
        pytest.param("Llama-3.1-8B-Instruct", 131_072, {"function_calling"}, id="as in our bank"),
        pytest.param("meta-llama/Meta-Llama-3.1-8B-Instruct", 131_072, set(), id="as the hub"),
    ],
)
def test_a_known_model_is_found_by_its_name(name, window, some):
    """
    Of several providers the largest window, so that no request is kept from it by mistake.
    """
    found = catalogued(name)

    assert found.window_tokens == window
    assert found.capabilities >= some


@pytest.mark.parametrize("name", ["my-own-model", "", "a/", "SmolLM2-135M-Instruct"])
def test_of_an_unknown_name_nothing_is_believed(name):
    """
    Not the least window, not an empty list of capabilities.
    """
    assert catalogued(name) == ModelLimits()
