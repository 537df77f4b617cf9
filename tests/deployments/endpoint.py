"""A served pool, every model of which misbehaves as a test says, called as clients call it."""

import json

from tests.deployments.serving import fixed

BEST, NEXT = "gpt-4o-2024-05-13", "mathstral-7B"
"""Models in the order in which the router prefers them for `QUESTION`."""
QUESTION = "Is seven a prime?"
WORDS = "The answer is (A). "

MODELS = (
    BEST,
    NEXT,
    "Llama-3-8B-Instruct",
    "Llama-3.1-8B-Instruct",
    "Llama-3.1-70B-Instruct",
    "Mistral-7B-Instruct-v0.1",
    "Mistral-7B-Instruct-v0.2",
    "Mixtral-8x7B-Instruct-v0.1",
    "Phi-3-mini-4k-instruct",
    "Qwen1.5-72B-Chat",
    "Qwen1.5-7B-Chat",
    "Yi-6b-Chat",
)


def pool_settings(upstream, timeout_s=5.0):
    """Settings of a Router that serves all of them, and gives none up."""
    one = {"base_url": upstream.base_url, "timeout_s": timeout_s, "breaker_failures": 1000}
    return {
        "pool": list(MODELS),
        "policy": {"alpha": 1.0},
        "upstreams": dict.fromkeys(MODELS, one),
    }


class Endpoint:
    """The endpoint over HTTP, and the upstream behind it."""

    def __init__(self, served, upstream):
        self.served, self.upstream, self.http = served, upstream, served.http
        self.n_before, self.n_deployed = 0, 0

    def deploy(self):
        """Serve the pool, with settings of upstreams that differ from those before.

        What is known of an upstream, such as when it wants the next call, ends with its settings.
        """
        self.n_deployed += 1
        self.put(pool_settings(self.upstream, timeout_s=5.0 + self.n_deployed / 1000))

    def put(self, settings):
        """Put settings in force, on one Router: each replica learns by itself."""
        self.served.deploy(Router=fixed(1) | {"user_config": settings})
        self.served.until(lambda: self.served.runs({"Router": 1}), "one Router runs")

    def behave(self, behaviours):
        """Have each model behave so from now on, and forget the calls so far."""
        self.upstream.behave(behaviours)
        self.n_before = len(self.upstream.log())

    def calls(self):
        """Calls at the upstream since."""
        return self.upstream.log()[self.n_before :]

    def models(self):
        """Models that were called since."""
        return [call["model"] for call in self.calls()]

    def chat(self, model="auto", *, models=(BEST, NEXT), scope=None, **fields):
        """Ask: the router for one of `models`, or one model by its name."""
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
        if model == "auto":
            body["scope"] = {"allowed_models": list(models), "deadline_ms": 20_000} | (scope or {})
        return self.http.post("/v1/chat/completions", json=body | fields)

    def ranked(self, *models):
        """Two models in the order in which the router prefers them."""
        wanted = {"prompt": QUESTION, "scope": {"allowed_models": list(models)}}
        best = self.http.post("/v1/route", json=wanted).json()["model"]
        return best, next(model for model in models if model != best)


def answer(response):
    """Text of an answer, whole or streamed, that did not fail."""
    assert response.status_code == 200, response.text
    if not response.headers["content-type"].startswith("text/event-stream"):
        return response.json()["choices"][0]["message"]["content"]
    chunks = [event for event in events(response) if isinstance(event, dict)]
    assert not any("error" in chunk for chunk in chunks), response.text
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(choice.get("delta", {}).get("content") or "" for choice in choices)


def model_of(response):
    """The model that answered, as the headers say; None where there is no answer."""
    return response.headers.get("x-scope-model") if response.status_code == 200 else None


def events(response):
    """The data of each event of a stream, JSON or text such as ``[DONE]``; comments are none."""
    lines = [line for line in response.text.splitlines() if line.startswith("data:")]
    data = [line.removeprefix("data:").strip() for line in lines]
    return [json.loads(text) if text.startswith("{") else text for text in data]
