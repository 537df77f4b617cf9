"""Upstreams that fail in every way, and clients that leave them, on a real Serve over HTTP."""

import json
import time

import httpx
import pytest

from tests.deployments.serving import figures

pytestmark = pytest.mark.ray

BEST, NEXT = "gpt-4o-2024-05-13", "mathstral-7B"
TIMEOUT_S = 2.0
FAULTS = {
    "slow": {"delay_s": 30},
    "500": {"way": "status", "status": 500},
    "cut": {"way": "cut"},
    "garbage": {"way": "garbage"},
    "silent": {"way": "silent"},
}
LATE = ("slow", "silent")


class PromptClient:
    """Requests completions of one prompt, which identifies its calls at the upstream."""

    def __init__(self, served, upstream, prompt):
        self.served, self.upstream, self.prompt = served, upstream, prompt

    def settings(self):
        """Settings of an upstream in a hurry, that is never given up."""
        address = self.upstream.base_url
        return {"base_url": address, "timeout_s": TIMEOUT_S, "breaker_failures": 1000}

    def deploy(self, behaviours, **settings):
        """Have the upstream behave so; its second model is the next best."""
        self.upstream.behave(behaviours)
        user_config = {
            "pool": [BEST, NEXT],
            "policy": {"alpha": 1.0},
            "upstreams": {BEST: self.settings(), NEXT: self.settings() | {"timeout_s": 20}},
            "retries": {"attempts": 2, "initial_backoff_s": 0.001},
        }
        self.served.deploy(Router={"user_config": user_config | settings})

    def body(self, **more):
        """Body of a request."""
        return {"model": "auto", "messages": [{"role": "user", "content": self.prompt}], **more}

    def post(self, *, timeout_s=30.0, **more):
        """Ask, and wait for all of the answer."""
        url = "/v1/chat/completions"
        return self.served.http.post(url, json=self.body(**more), timeout=timeout_s)

    def log(self):
        """The calls at the upstream."""
        return [call for call in self.upstream.log() if call["prompt"] == self.prompt]

    def models(self):
        """The models called, in order."""
        return [call["model"] for call in self.log()]


@pytest.fixture
def client(served, upstream, request):
    return PromptClient(served, upstream, f"Why? ({request.node.name})")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_best_model_answers_for_one_that_fails(client, fault):
    """
    However it fails, and no later than its timeout says.
    """
    client.deploy({BEST: FAULTS[fault]})

    began_at = time.monotonic()
    response = client.post()

    assert response.status_code == 200
    assert response.headers["x-scope-model"] == response.json()["model"] == NEXT
    assert client.models() == [BEST, NEXT]
    assert time.monotonic() - began_at < TIMEOUT_S + 5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_without_an_answer_gets_an_error(client, fault):
    """
    In OpenAI's shape, with its own status, 504 where time ran out, 502 for no answer.
    """
    client.deploy({BEST: FAULTS[fault]}, pool=[BEST], upstreams={BEST: client.settings()})

    response = client.post()

    assert response.status_code == (500 if fault == "500" else 504 if fault in LATE else 502)
    assert response.json()["error"]["type"] == "server_error"
    assert client.models() == [BEST, BEST]


@pytest.mark.parametrize("fault", ["slow", "500", "garbage", "silent"])
def test_a_stream_that_does_not_begin_is_begun_by_the_next_best(client, fault):
    """
    The client sees one stream, from one model.
    """
    client.deploy({BEST: FAULTS[fault]})

    response = client.post(stream=True)

    assert response.status_code == 200
    assert response.headers["x-scope-model"] == NEXT
    assert response.text.endswith("data: [DONE]\n\n")
    assert client.models() == [BEST, NEXT]


@pytest.mark.parametrize("way", ["cut", "held"])
def test_a_stream_that_breaks_off_ends_with_an_error(client, way):
    """
    Broken, or silent for longer than its timeout: sent chunks stay and are not repeated.
    """
    client.deploy({BEST: {"way": way}})

    response = client.post(stream=True)

    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert response.status_code == 200
    assert [json.loads(event)["choices"][0]["delta"]["content"] for event in events[:-1]] == [
        "The ",
        "answer ",
    ]
    assert json.loads(events[-1])["error"]["message"].startswith(f"{BEST} broke off")
    assert client.models() == [BEST]


def test_a_client_that_leaves_before_the_first_byte_ends_the_call(client):
    """
    Over real sockets: the upstream is hung up on, and both the model's only place and the
    Router's only room are free again.
    """
    only = {BEST: client.settings() | {"timeout_s": 60, "max_concurrency": 1}}
    client.deploy({BEST: {"way": "silent"}}, upstreams=only, limits={"max_in_flight": 1})

    with pytest.raises(httpx.ReadTimeout):
        client.post(timeout_s=1.0)
    left_at = time.monotonic()
    client.served.until(lambda: [call["hung_up"] for call in client.log()] == [True], "it hangs up")
    hung_up_s = time.monotonic() - left_at
    client.upstream.behave({})
    again = client.post()

    figures.info("the upstream was hung up on after %.2f s", hung_up_s)
    assert again.status_code == 200, again.text
    assert again.json()["model"] == BEST
