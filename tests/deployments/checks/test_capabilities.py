"""Names of capabilities that can never match."""

import pytest

from deployments.checks.serve_config import inspect_config
from tests.deployments.checks.test_serve_config import changed, router

MODEL = {"id": "mathstral-7B", "usd_per_mtok_in": 1, "usd_per_mtok_out": 1}


def mistakes(**stated):
    """Return what is wrong with a configuration whose pool has one stated model."""

    def change(config):
        router(config)["user_config"].update(models=[MODEL | stated], pool=["mathstral-7B"])

    return inspect_config(changed(change), here=False).mistakes


@pytest.mark.parametrize("field", ["capabilities", "lacks"])
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        pytest.param("function_caling", "did you mean function_calling?", id="typo"),
        pytest.param("Vision", "did you mean vision?", id="capital"),
        pytest.param(
            "tools",
            "remove it, or use one of audio_input, function_calling, json_mode, pdf_input, "
            "response_schema, video_input, vision",
            id="another word",
        ),
    ],
)
def test_a_name_that_no_request_needs_is_a_warning(field, name, remedy):
    """
    The near name is hinted.
    """
    [mistake] = mistakes(**{field: ["pdf_input", name]})

    assert mistake.level == "warning"
    assert mistake.path[-3:] == (0, field, 1)
    assert mistake.sentence == (
        f"Router.user_config.models[0].{field} names {name!r}, which no request needs: "
        f"it never matches; {remedy}"
    )


def test_the_names_that_requests_need_are_right():
    """
    In both lists.
    """
    assert mistakes(capabilities=["function_calling", "json_mode"], lacks=["vision"]) == []


@pytest.mark.parametrize("value", ["vision", 7, [7], {"vision": True}])
def test_a_value_of_another_type_is_one_error(value):
    """
    Not a warning besides.
    """
    [mistake] = mistakes(capabilities=value)

    assert mistake.level == "error"
