import pytest

from deployments.protocol.request_errors import NoEligibleModelError, RequestError
from deployments.requests.eligibility import FORMATS, eligible_models
from deployments.requests.eligibility import TOOLS as CALLING
from deployments.requests.requirements import ATTACHMENTS, Requirements
from deployments.settings.preferences import RequestOptions
from scope.model_catalogue import CAPABILITIES, ModelLimits
from scope.pool import ModelSpec


def model(name, window=None, *capabilities, lacks=()):
    return ModelSpec(
        id=name,
        usd_per_mtok_in=1.0,
        usd_per_mtok_out=1.0,
        context_window=window,
        capabilities=capabilities,
        lacks=lacks,
    )


POOL = (
    model("a/plain"),
    model("a/small", 1_000, "vision"),
    model("b/tools", 8_000, "function_calling", "json_mode"),
    model("b/all", 8_000, "vision", "function_calling", "response_schema"),
)
PLAIN = Requirements(10)
VISION = Requirements(10, attachments=frozenset({"vision"}))
TOOLS = Requirements(10, tools=True)
SCHEMA = Requirements(10, answer_format="json_schema")


@pytest.mark.parametrize(
    ("needs", "wish", "left"),
    [
        pytest.param(PLAIN, {}, "a/plain a/small b/tools b/all", id="no requirement"),
        pytest.param(
            Requirements(900, 200), {}, "a/plain b/tools b/all", id="window, or none stated"
        ),
        pytest.param(VISION, {}, "a/plain a/small b/all", id="images"),
        pytest.param(TOOLS, {}, "a/plain b/tools b/all", id="tools"),
        pytest.param(SCHEMA, {}, "a/plain b/all", id="schema"),
        pytest.param(
            Requirements(10, answer_format="json_object"), {}, "a/plain b/tools b/all", id="JSON"
        ),
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
    needs = Requirements(5_000, 4_000, attachments=frozenset({"vision"}))
    pool = (model("a/blind", None, lacks=("vision",)), *POOL[1:])

    with pytest.raises(NoEligibleModelError) as refused:
        eligible_models(pool, needs, RequestOptions(denied_models=("b/tools",)))

    assert str(refused.value) == (
        "no model is left to choose from: "
        "attachments that need vision (stated to lack vision) removed a/blind; "
        "the context window (about 9000 tokens are needed, estimated high) "
        "removed a/small, b/all; denied_models removed b/tools"
    )


@pytest.mark.parametrize("needs", [VISION, TOOLS, SCHEMA])
def test_what_nothing_is_known_of_is_tried(needs):
    """
    The first tool call, image or schema of a new operator is no mistake.
    """
    pool = (model("a"), model("b"))

    assert eligible_models(pool, needs, RequestOptions()) == ("a", "b")


@pytest.mark.parametrize(
    ("needs", "lacks"),
    [(VISION, "vision"), (TOOLS, "function_calling"), (SCHEMA, "response_schema")],
)
def test_what_a_model_is_stated_to_lack_is_never_tried(needs, lacks):
    """
    Even if no other model is left.
    """
    pool = (model("a", None, lacks=(lacks,)), model("b"))

    assert eligible_models(pool, needs, RequestOptions()) == ("b",)
    with pytest.raises(NoEligibleModelError, match=f"stated to lack {lacks}"):
        eligible_models(pool[:1], needs, RequestOptions())


@pytest.mark.parametrize(
    ("needs", "believed"),
    [
        pytest.param(VISION, ModelLimits(capabilities=frozenset({"pdf_input"})), id="not listed"),
        pytest.param(TOOLS, ModelLimits(lacks=frozenset({"function_calling"})), id="refused"),
        pytest.param(Requirements(900, 200), ModelLimits(1_000), id="window"),
        pytest.param(
            Requirements(10, fields=frozenset({"top_k", "messages"})),
            ModelLimits(lacks=frozenset({"top_k"})),
            id="a parameter that it refused",
        ),
    ],
)
def test_a_model_that_is_believed_unable_is_the_last_resort(needs, believed):
    """
    It is left out while another is left; alone it is asked, for the belief may be wrong.
    """
    pool = (model("a"), model("b"))

    def limits(name):
        return believed if name == "a" else ModelLimits()

    assert eligible_models(pool, needs, RequestOptions(), None, limits) == ("b",)
    assert eligible_models(pool[:1], needs, RequestOptions(), None, limits) == ("a",)
    assert eligible_models(pool, PLAIN, RequestOptions(), None, limits) == ("a", "b")


def test_an_arm_is_believed_unable_where_its_model_refused_the_effort():
    """
    The router adds the field itself.
    """
    pool = (model("a#high"), model("a"))
    limits = ModelLimits(lacks=frozenset({"reasoning_effort"}))

    assert eligible_models(pool, PLAIN, RequestOptions(), None, lambda _: limits) == ("a",)


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


def test_every_capability_that_a_request_may_need_has_a_known_name():
    """
    `scope check` warns of all other names.
    """
    needed = {
        *ATTACHMENTS.values(),
        *CALLING,
        *(name for names in FORMATS.values() for name in names),
    }

    assert needed == set(CAPABILITIES)
