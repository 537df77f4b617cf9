"""Every client on every surface, before upstreams of both kinds: each feature, for real."""

import gc
import os

import pytest

from tests.deployments.clients.agent import USAGE, running
from tests.deployments.clients.talkers import TALKERS, Weather

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the internet

pytestmark = pytest.mark.ray

MODELS = {"chat": "mathstral-7B", "messages": "Llama-3.1-70B-Instruct"}
"""API of the upstream -> a model of the bank whose upstream speaks it."""


@pytest.fixture(scope="module")
def agent():
    with running() as url:
        yield url


@pytest.fixture(scope="module")
def url(served, agent):
    """The endpoint before the agent, which answers for each model in another API."""
    common = {"base_url": f"{agent}/v1", "timeout_s": 10.0, "breaker_failures": 1000}
    upstreams = {model: {**common, "api": api} for api, model in MODELS.items()}
    settings = {
        "pool": list(MODELS.values()),
        "upstreams": upstreams,
        "retries": {"attempts": 1},
        "policy": {"alpha": 1.0},
    }
    served.deploy(Router={"user_config": settings})
    return served.url


@pytest.fixture(autouse=True)
def uncollected():
    """No garbage is collected during a call.

    litellm leaves streams open. One that is collected while httpcore holds the lock of its pool
    waits for that very lock, and for ever: seen once in some hundred runs.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=TALKERS)
def talker(request, url):
    return TALKERS[request.param](url)


@pytest.fixture(params=MODELS, ids=lambda api: f"{api} upstream")
def model(request):
    return MODELS[request.param]


WAYS = pytest.mark.parametrize(
    "stream", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)


@WAYS
def test_an_answer_names_its_model_and_its_tokens(talker, model, stream):
    reply = talker.say(model, "Good day", stream=stream, system="Be kind.")

    assert reply.text == "Be kind. I heard: Good day"
    assert reply.model == model
    tokens = (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens)
    assert tokens == (USAGE["prompt"], USAGE["cached"], USAGE["completion"])


@WAYS
def test_a_tool_loop_runs_to_its_end(talker, model, stream):
    assert talker.loop(model, "How warm is Paris?", stream=stream).text == "It is 21 in Paris."


@WAYS
def test_parallel_tool_calls_each_get_their_result(talker, model, stream):
    reply = talker.loop(model, "think: Paris or Rome?", stream=stream)

    assert reply.text == "It is 21 in Paris and 28 in Rome."


def test_an_image_arrives(talker, model):
    assert talker.say(model, "What is this?", image=True).text == "I see 1 image."


def test_a_schema_is_kept(talker, model):
    assert talker.parse(model, "Weather of Paris") == Weather(city="Paris", celsius=21)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("refuse this", 400, id="refused"),
        pytest.param("overload yourself", 429, id="rate"),
    ],
)
@WAYS
def test_an_error_keeps_its_status_and_words(talker, model, text, status, stream):
    failure = talker.fail(model, text, stream=stream)

    assert failure.status == status
    assert f"the agent says {status}" in failure.message


def test_an_unknown_model_is_a_404(talker):
    failure = talker.fail("gpt-99", "Good day")

    assert failure.status == 404
    assert "gpt-99" in failure.message
    assert "is not in the pool" in failure.message


def test_a_stream_that_breaks_is_an_error(talker, model):
    failure = talker.fail(model, "break off", stream=True)

    assert "broke off" in failure.message


def test_auto_is_decided(talker):
    assert talker.say("auto", "Is 91 a prime?").model in MODELS.values()
