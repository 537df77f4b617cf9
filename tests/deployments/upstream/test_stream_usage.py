"""The usage of a stream is requested, and an upstream that refuses the field fails no client."""

import asyncio

import pytest

from deployments.upstream.responses import UpstreamResponse
from tests.deployments.conftest import read

REFUSING = {"forbids": ["stream_options"]}


def test_a_field_that_we_add_fails_no_client(ask, site):
    """
    The same model is asked again without it; the cost is unknown, not zero.
    """
    answer, got = ask({"small": REFUSING | {"way": "no_usage"}}, stream=True)

    assert got.endswith(b"data: [DONE]\n\n")
    assert (answer.model, answer.cost_usd) == ("small", None)
    assert ["stream_options" in call["body"] for call in site.log()] == [True, False]


def test_a_refused_field_is_remembered(site):
    """
    The next stream does not ask; an upstream that is not known to refuse is asked.
    """

    async def run():
        async with site.open({"small": REFUSING}):
            for model in ("small", "small", "large"):
                await read(await site.execute([model], stream=True))

    asyncio.run(run())

    asked = [(call["model"], "stream_options" in call["body"]) for call in site.log()]
    assert asked == [("small", True), ("small", False), ("small", False), ("large", True)]


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(None, id="FastAPI's"),
        pytest.param({"error": "include_usage: unknown field"}, id="text"),
        pytest.param({"error": {"message": "Invalid request"}}, id="which names no field"),
        pytest.param(
            {"error": {"message": "Unknown", "param": "stream_options.include_usage"}},
            id="OpenAI's",
        ),
    ],
)
def test_the_options_of_the_client_stay_when_ours_are_refused(ask, site, refusal):
    """
    The second call is the client's own request.
    """
    refusing = {"forbids": ["stream_options"], "forbidden": refusal}
    wanted = {"stream": True, "stream_options": {"exotic": 1}}
    answer, _ = ask({"small": refusing}, models=["small"], **wanted)
    first, second = (call["body"]["stream_options"] for call in site.log())

    assert (first, second) == ({"exotic": 1, "include_usage": True}, {"exotic": 1})
    assert answer.status == 422  # this upstream refuses the client's options, too


def test_an_upstream_that_takes_the_field_is_not_suspected(site):
    """
    After one stream with it, a refusal that names no field is the client's own.
    """
    refusal = {"forbids": ["exotic"], "forbidden": {"error": {"message": "Invalid request"}}}

    async def run():
        async with site.open({"small": refusal}):
            await read(await site.execute(["small"], stream=True))
            return await site.execute(["small"], stream=True, exotic=1)

    assert asyncio.run(run()).status == 422
    assert len(site.log()) == 2


def test_an_error_about_another_field_is_not_asked_twice(ask, site):
    """
    The client's own mistake costs one call.
    """
    refusal = {"error": {"message": "too long", "param": "messages"}}
    forbidding = {"forbids": ["messages"], "forbidden": refusal}
    answer, _ = ask({"small": forbidding}, models=["small"], stream=True)

    assert (answer.status, answer.body) == (422, refusal)
    assert len(site.log()) == 1


@pytest.mark.parametrize(
    ("setting", "sent"), [("auto", [True, False]), ("always", [True]), ("never", [False])]
)
def test_whether_usage_is_requested_can_be_set(ask, site, setting, sent):
    """
    ``always`` passes the refusal on, ``never`` spares the question.
    """
    settings = {"stream_usage": setting}
    answer, _ = ask({"small": REFUSING}, models=["small"], stream=True, settings=settings)

    assert ["stream_options" in call["body"] for call in site.log()] == sent
    assert isinstance(answer, UpstreamResponse) is (setting == "always")


def test_a_client_that_asks_for_usage_itself_is_not_second_guessed(ask, site):
    """
    Its field is its own, under every setting.
    """
    options = {"include_usage": True}
    ask(stream=True, stream_options=options, settings={"stream_usage": "never"})

    assert site.log()[0]["body"]["stream_options"] == options
