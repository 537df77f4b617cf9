import pytest

from deployments.protocol.request_errors import NoEligibleModelError, RequestError
from deployments.requests.requirements import Requirements, eligible_models
from deployments.settings.preferences import RequestOptions
from scope.pool import ModelSpec


def model(name, window=None, *capabilities):
    return ModelSpec(
        id=name,
        usd_per_mtok_in=1.0,
        usd_per_mtok_out=1.0,
        context_window=window,
        capabilities=capabilities,
    )


POOL = (
    model("a/plain"),
    model("a/small", 1_000, "vision"),
    model("b/tools", 8_000, "function_calling", "json_mode"),
    model("b/all", 8_000, "vision", "function_calling", "response_schema"),
)
PLAIN = Requirements(10)


@pytest.mark.parametrize(
    ("needs", "wish", "left"),
    [
        pytest.param(PLAIN, {}, "a/plain a/small b/tools b/all", id="no requirement"),
        pytest.param(
            Requirements(900, 200), {}, "a/plain b/tools b/all", id="window, or none stated"
        ),
        pytest.param(Requirements(10, images=True), {}, "a/small b/all", id="images"),
        pytest.param(Requirements(10, tools=True), {}, "b/tools b/all", id="tools"),
        pytest.param(Requirements(10, answer_format="json_schema"), {}, "b/all", id="schema"),
        pytest.param(Requirements(10, answer_format="json_object"), {}, "b/tools b/all", id="JSON"),
        pytest.param(PLAIN, {"allowed_models": ["b/all", "a/plain"]}, "a/plain b/all", id="allow"),
        pytest.param(PLAIN, {"allowed_models": ["b/*", "c/*"]}, "b/tools b/all", id="pattern"),
        pytest.param(PLAIN, {"denied_models": ["a/*"]}, "b/tools b/all", id="deny"),
        pytest.param(
            PLAIN, {"allowed_models": ["b/*"], "denied_models": ["b/all"]}, "b/tools", id="both"
        ),
    ],
)
def test_only_models_that_may_and_can_are_left(needs, wish, left):
    """
    In pool order, whatever the order of the lists.
    """
    assert eligible_models(POOL, needs, RequestOptions(**wish)) == tuple(left.split())


def test_if_nothing_is_left_every_removal_is_told():
    """
    Each model with the first rule that removed it.
    """
    needs = Requirements(5_000, 4_000, images=True)

    with pytest.raises(NoEligibleModelError) as refused:
        eligible_models(POOL, needs, RequestOptions(denied_models=("b/tools",)))

    assert str(refused.value) == (
        "no model is left to choose from: "
        "images (needs the capability vision) removed a/plain; "
        "the context window (about 9000 tokens are needed, estimated high) "
        "removed a/small, b/all; denied_models removed b/tools"
    )


@pytest.mark.parametrize("name", ["allowed_models", "denied_models"])
def test_a_listed_model_that_is_not_in_the_pool_is_a_mistake(name):
    """
    A typo in a deny list would let the model answer.
    """
    with pytest.raises(RequestError, match="b/al not in the pool, which has a/plain") as refused:
        eligible_models(POOL, PLAIN, RequestOptions(**{name: ["b/al"]}))

    assert refused.value.param == f"scope.{name}"


def test_only_the_star_is_special_in_a_pattern():
    """
    Names of models may hold the other signs of shells.
    """
    pool = (model("a[1]?"), model("a1x"))

    assert eligible_models(pool, PLAIN, RequestOptions(allowed_models=("a[1]?*",))) == ("a[1]?",)
