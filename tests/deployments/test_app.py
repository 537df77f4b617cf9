"""The real graph over HTTP on a free port, and its agreement with the offline path."""

import json
import socket
from pathlib import Path

import httpx
import pytest
import yaml
from ray import serve
from ray.serve.schema import DeploymentSchema

from deployments.app import AppConfig, EmbedderReplica, PredictorReplica, RouterReplica, build_app

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
PROMPTS = [json.loads(line)["prompt"] for line in (ROOT / "examples/questions.jsonl").open()][:5]


def test_the_config_file_means_what_it_says():
    """
    Serve ignores unknown keys in silence: every key and name is checked here.
    """
    (application,) = CONFIG["applications"]

    AppConfig.model_validate(application["args"])
    for block in application["deployments"]:
        assert block.keys() <= DeploymentSchema.model_fields.keys()
    names = {block["name"] for block in application["deployments"]}
    assert names == {RouterReplica.name, EmbedderReplica.name, PredictorReplica.name}
    assert CONFIG["http_options"]["host"] == "127.0.0.1"


@pytest.fixture(scope="module")
def url(cluster):
    """The application of serve_config.yaml, served on a port nobody else has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port}, proxy_location="HeadOnly")
    serve.run(build_app(AppConfig()), name="scope", route_prefix="/")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


@pytest.mark.ray
def test_online_and_offline_decide_alike(url, scope, tmp_path):
    """
    The same model for the same prompt, and the same probability up to rounding.
    """
    query = tmp_path / "q.jsonl"
    query.write_text(
        "\n".join(json.dumps({"id": str(i), "prompt": p}) for i, p in enumerate(PROMPTS))
    )
    assert scope("predict", "--query-file", query, "--output", tmp_path / "out")[0] == 0
    flags = ["--predictions", tmp_path / "out", "--alpha", 0.6, "--output", tmp_path / "r.json"]
    assert scope("route", *flags)[0] == 0
    offline = json.loads((tmp_path / "r.json").read_text())["routing"][0]["routing_decisions"]

    online = [httpx.post(f"{url}/v1/route", json={"prompt": p}, timeout=60).json() for p in PROMPTS]

    for here, there in zip(offline, online, strict=True):
        p = {candidate["model"]: candidate["p_correct"] for candidate in there["candidates"]}
        assert there["model"] == here["selected_model"]
        assert p[there["model"]] == pytest.approx(here["p_correct"], abs=1e-5)
        assert len(there["anchors"]) == 10


@pytest.mark.ray
def test_a_refusal_of_a_replica_is_one_sentence(url):
    """
    A model that is not in the bank: 400 with the name, from two processes away.
    """
    body = {"prompt": "2+2?", "scope": {"allowed_models": ["gpt-9"]}}

    got = httpx.post(f"{url}/v1/route", json=body, timeout=60)

    assert got.status_code == 400
    assert got.json()["error"]["message"].startswith("allowed models gpt-9 are not in the pool")
