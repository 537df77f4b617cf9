"""The real graph over HTTP on a free port, and its agreement with the offline path."""

import json
import random
import re
from pathlib import Path

import httpx
import openai
import pytest
import ray
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from deployments.app import EmbedderReplica, PredictorReplica, RouterReplica
from deployments.replicas.app_config import AppConfig
from tests.deployments.serving import CONFIG

pytestmark = pytest.mark.ray

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Is seven a prime?"}]}


@pytest.fixture
def chatting(served, upstream):
    """The application with an upstream for two of the bank's models; its settings."""
    upstream.behave({})
    fields = {"base_url": upstream.base_url, "timeout_s": 5.0}
    pool = ["mathstral-7B", "gpt-4o-2024-05-13"]
    settings = {
        "pool": pool,
        "upstreams": dict.fromkeys(pool, fields),
        "retries": {"initial_backoff_s": 0.001},
        "policy": {"alpha": 1.0},
    }
    served.deploy(Router={"user_config": settings})
    return settings


def questions(n, seed=0):
    """Distinct questions of many kinds and lengths."""
    rng = random.Random(seed)
    subjects = [
        "a prime",
        "a contract",
        "an enzyme",
        "a treaty",
        "an eigenvalue",
        "a verb",
        "a recession",
    ]
    verbs = ["define", "prove", "compare", "compute", "explain", "criticise"]
    return [
        f"Case {place}: {rng.choice(verbs)} {rng.choice(subjects)} "
        + " ".join(rng.choice(subjects) for _ in range(rng.randrange(30)))
        + f" with {rng.randrange(1000)} + {rng.randrange(1000)}?"
        for place in range(n)
    ]


@pytest.mark.parametrize("n", [30, pytest.param(1_000, marks=pytest.mark.slow)])
def test_online_and_offline_decide_alike(served, scope, tmp_path, n):
    """
    The same model, reason and settings for the same prompt; every number but for the rounding
    of an encoder that sees other texts beside it.
    """
    prompts = questions(n)
    query = tmp_path / "q.jsonl"
    rows = [{"id": f"{place:04}", "prompt": prompt} for place, prompt in enumerate(prompts)]
    query.write_text("\n".join(map(json.dumps, rows)))
    assert scope("predict", "--query-file", query, "--output", tmp_path / "out")[0] == 0
    flags = ["--predictions", tmp_path / "out", "--alpha", 0.6, "--output", tmp_path / "r.json"]
    assert scope("route", *flags)[0] == 0
    offline = json.loads((tmp_path / "r.json").read_text())["result"]["routing_decisions"]

    served.deploy()
    online = []
    for start in range(0, n, 500):
        body = {"prompts": prompts[start : start + 500]}
        online += served.http.post("/v1/route", json=body).json()["decisions"]

    assert {there["source"] for there in online} == {"anchors"}
    for here, there in zip(offline, online, strict=True):
        (chosen,) = (one for one in there["candidates"] if one["model"] == there["model"])
        assert there["model"] == here["selected_model"]
        assert there["reason"] == here["reason"]
        for name in ("p_correct", "p_low", "p_high", "cost_usd", "completion_tokens"):
            assert chosen[name] == pytest.approx(here[name], rel=1e-5)


def test_the_official_client_is_answered(served, upstream, chatting):
    """
    Whole and as a stream, with our wishes in `extra_body`.
    """
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="unused", max_retries=0)

    whole = client.chat.completions.with_raw_response.create(
        **CHAT, extra_body={"scope": {"alpha": 1, "session_id": "s"}}
    )
    stream = client.chat.completions.create(
        **CHAT, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    assert whole.parse().choices[0].message.content
    assert whole.headers["x-scope-model"] == whole.parse().model
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage.prompt_tokens > 0
    assert chunks[-1].scope["cost_usd"] > 0
    assert next(iter(client.models.list())).id == "auto"


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        pytest.param({"messages": []}, openai.BadRequestError, id="no messages"),
        pytest.param({"model": "gpt-9"}, openai.NotFoundError, id="unknown model"),
    ],
)
def test_the_official_client_tells_errors_apart(served, chatting, wrong, kind):
    """
    By status and shape.
    """
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="unused", max_retries=0)

    with pytest.raises(kind) as refused:
        client.chat.completions.create(**CHAT | wrong)

    assert refused.value.param == next(iter(wrong))


def test_an_invalid_change_leaves_the_old_settings_in_force(served, chatting):
    """
    Nothing restarts, /ready says it, and the next valid change holds.
    """
    before = served.pids("Router")

    served.deploy(Router={"user_config": chatting | {"policy": {"alpha": 7}}})
    rejected = served.http.get("/ready").json()
    still = served.http.post("/v1/route", json={"prompt": "x"}).json()
    served.deploy(Router={"user_config": chatting | {"policy": {"alpha": 0.25}}})
    served.until(lambda: served.http.get("/ready").json()["settings"] == "ok", "it is taken")
    after = served.http.post("/v1/route", json={"prompt": "x"}).json()

    assert rejected == {**rejected, "status": "ready", "settings": "rejected"}
    assert still["settings"]["alpha"] == 1.0
    assert after["settings"]["alpha"] == 0.25
    assert served.pids("Router") == before


def test_prometheus_sees_decisions_and_costs(served, chatting):
    """
    On the port of Ray's agent; no label holds what clients write.
    """
    port = ray.nodes()[0]["MetricsExportPort"]
    secret = "a word that no metric may hold"
    body = CHAT | {"messages": [{"role": "user", "content": secret}]}
    served.http.post("/v1/chat/completions", json=body)
    served.http.post("/v1/route", json={"prompt": 7})

    def scraped():
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text

    wanted = [
        r'scope_decisions_total\{.*model="gpt-4o-2024-05-13".*policy="expected_value"',
        r'scope_requests_total\{.*endpoint="route",.*status="400"',
        r"scope_(predicted|real)_cost_usd_total\{",
        r"scope_(overhead|embed|predict|upstream)_latency_ms_bucket\{",
        r'scope_cache_lookups_total\{.*result="miss"',
        r"scope_breaker_state\{.*\} 0",
    ]
    for pattern in wanted:
        served.until(lambda: re.search(pattern, scraped()), pattern, timeout_s=30)  # noqa: B023
    assert secret not in scraped()


def test_the_routers_log_is_json_with_decision_ids(served, upstream, chatting):
    """
    A line for each request that did not go as it should; prompts are in none.
    """
    upstream.behave({"gpt-4o-2024-05-13": {"way": "status", "status": 500}})
    secret = "a word that no log may hold"
    body = CHAT | {"messages": [{"role": "user", "content": secret}]}
    got = served.http.post("/v1/chat/completions", json=body)
    decision_id = got.headers["x-scope-decision-id"]
    folder = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs" / "serve"

    def logged():
        return "".join(path.read_text() for path in folder.glob("replica_scope_Router*.log"))

    served.until(lambda: decision_id in logged(), "the decision is logged", timeout_s=10)
    (line,) = (line for line in logged().splitlines() if decision_id in line)
    assert json.loads(line)["decision_id"] == decision_id
    assert json.loads(line)["model"] == got.json()["model"]
    assert json.loads(line)["failed"] == ["gpt-4o-2024-05-13: http 500"]
    assert secret not in logged()


def test_a_client_that_hangs_up_ends_the_call_of_the_upstream(served, upstream, chatting):
    """
    In mid-stream, over real sockets: unread tokens are not paid for.
    """
    upstream.behave({model: {"way": "held"} for model in chatting["pool"]})
    prompt = "Tell me a story without end."
    body = {"model": chatting["pool"][0], "stream": True}
    body["messages"] = [{"role": "user", "content": prompt}]

    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body) as response:
        next(response.iter_bytes())

    def hung_up():
        return [call["hung_up"] for call in upstream.log() if call["prompt"] == prompt]

    served.until(lambda: all(hung_up()), "the upstream sees its client hang up")
    assert hung_up() == [True]


def test_the_config_file_means_what_it_says():
    """
    Serve ignores unknown keys in silence: every key and name is checked here.
    """
    (application,) = CONFIG["applications"]

    AppConfig.model_validate(application["args"])
    assert CONFIG.keys() <= ServeDeploySchema.model_fields.keys()
    assert application.keys() <= ServeApplicationSchema.model_fields.keys()
    for block in application["deployments"]:
        assert block.keys() <= DeploymentSchema.model_fields.keys()
    names = {block["name"] for block in application["deployments"]}
    assert names == {RouterReplica.name, EmbedderReplica.name, PredictorReplica.name}
    assert CONFIG["http_options"]["host"] == "127.0.0.1"
