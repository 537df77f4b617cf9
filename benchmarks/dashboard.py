"""Draw the dashboard from a running application, scraped by a real Prometheus.

``python -m benchmarks.dashboard OUT.png`` serves the embedded bank before a local upstream, puts
it under load for two and a half minutes, and meanwhile breaks things: an upstream fails, a
Predictor is killed, settings are wrong. There is no Grafana in it: the panels are drawn by our own
reader of ``cluster/grafana/scope.json``. Scores of clients are drawn at random, 0.85 times as
often right as predicted.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from PIL import Image

from benchmarks.load import prompts
from benchmarks.serve_flags import CHOSEN
from cluster.grafana.drawing import draw
from cluster.grafana.reader import Prometheus
from tests.upstream import Upstream, running

CLUSTER = Path(__file__).parents[1] / "cluster"
SECONDS, SCRAPE_S = 150, 1
REFERENCE = "gpt-4o-2024-05-13"
TOKENS = {
    REFERENCE: 300,
    "gemini-1.5-pro-002": 90,
    "Llama-3.1-70B-Instruct": 145,
    "gemini-1.5-flash-002": 110,
    "mathstral-7B": 140,
}
"""Pool, and the length of each model's answers."""
FAILING = "gemini-1.5-flash-002"
QUESTIONS = (
    "A ball of mass {} kg is thrown upward at {} m/s. What is its kinetic energy at the start?",
    "A firm faces a price of {} and has the marginal cost {}q. Which output is best for it?",
    "How many subgroups has a cyclic group of order {} times {}?",
    "What is the pH of {} litres of a solution with {} millimoles of hydrochloric acid?",
    "A treaty binds {} states and {} of them withdraw. How many votes does an amendment need?",
    "A sample of {} people has a mean of {}. What is the standard error of the mean?",
    "An enzyme converts {} molecules a second at {} degrees. How many does it convert at most?",
    "A contract of {} months costs {} USD a month. What are the damages for its breach?",
)
"""Asked with ten options, as the questions of the bank are."""
ALPHAS = (None, 0.2, 0.6, 0.9, 1.0)
SCORE_SHARE = 0.85


def main() -> None:
    """Observe an application, and draw what was seen."""
    out = Path(sys.argv[1])
    with TemporaryDirectory(prefix="dashboard-") as folder:
        begin_s, end_s = observe(Path(folder))
        picture(Path(folder), begin_s, end_s, out)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} KB")


def observe(folder: Path) -> tuple[float, float]:
    """Serve, load and scrape an application; return begin and end of the load."""
    os.environ |= CHOSEN | {
        "RAY_metrics_report_interval_ms": "1000",
        "RAY_SERVE_STATUS_GAUGE_REPORT_INTERVAL_S": "0.5",  # exported only if set in each interval
    }
    from pipelines.cluster.session import ray_session
    from tests.deployments.serving import serving

    with running(behaviour()) as upstream, ray_session(), serving() as served:
        import ray

        served.deploy(Router={"user_config": settings(upstream)})
        with scraping(folder, ray.nodes()[0]["MetricsExportPort"]):
            time.sleep(3)
            begin_s = time.time()
            asyncio.run(load(served, upstream))
            time.sleep(3)
            return begin_s, time.time()


def picture(folder: Path, begin_s: float, end_s: float, out: Path) -> None:
    """Draw the committed dashboard over what a Prometheus has stored."""
    variables = {
        "application": "scope",
        "reference": REFERENCE,
        "__range": f"{end_s - begin_s:.0f}s",
        "__rate_interval": "12s",
    }
    with scraping(folder) as url:
        board = json.loads((CLUSTER / "grafana" / "scope.json").read_text())
        draw(board, Prometheus(url, round(begin_s), round(end_s), 1, variables), out)
    with Image.open(out) as image:  # a third of the bytes
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


def behaviour(**more: dict[str, Any]) -> dict[str, Any]:
    """Return how the upstream answers for each model."""
    return {
        model: {"completion_tokens": tokens, "prompt_tokens": 80, "delay_s": tokens / 1500}
        | more.get(model, {})
        for model, tokens in TOKENS.items()
    }


def settings(upstream: Upstream, **more: object) -> dict[str, Any]:
    """Return the Router's user_config."""
    there = {"base_url": upstream.base_url, "timeout_s": 10.0, "breaker_open_s": 10.0}
    return {
        "policy": {"alpha": 0.7},
        "pool": list(TOKENS),
        "upstreams": dict.fromkeys(TOKENS, there),
        "spend": {"budget_usd_per_day": 1.5},
        "retries": {"initial_backoff_s": 0.05},
        **more,
    }


@contextlib.contextmanager
def scraping(folder: Path, metrics_port: int | None = None) -> Iterator[str]:
    """Run Debian's Prometheus over a folder, with our rules; yields its address.

    Without a port to scrape it only answers queries about what the folder holds.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    targets = [] if metrics_port is None else [f"127.0.0.1:{metrics_port}"]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": "5s"},
        "rule_files": [str(CLUSTER / "prometheus" / "rules.yaml")],
        "scrape_configs": [{"job_name": "ray", "static_configs": [{"targets": targets}]}],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    flags = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    process = subprocess.Popen(["prometheus", *flags])
    try:
        _wait_until_ready(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(url: str) -> None:
    for _ in range(100):
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"Prometheus at {url} is not ready after 20 s")


async def load(served: Any, upstream: Upstream) -> None:  # noqa: ANN401 - of the tests
    """Ask with three clients, later with eight, while things break."""
    from httpx_aiohttp import HttpxAiohttpClient

    ends_at = time.monotonic() + SECONDS
    texts, rng = prompts(1), random.Random(1)
    async with HttpxAiohttpClient(base_url=served.url, timeout=30) as http:

        async def client(number: int) -> None:
            await asyncio.sleep(0 if number < 3 else 0.3 * SECONDS)
            while time.monotonic() < ends_at:
                await ask(http, next(texts), rng)
                await asyncio.sleep(rng.uniform(0, 0.3))

        breaking = asyncio.to_thread(break_things, served, upstream)
        await asyncio.gather(breaking, *(client(number) for number in range(8)))


async def ask(http: Any, text: str, rng: random.Random) -> None:  # noqa: ANN401 - httpx
    """Send one request of some kind, and often a score of its answer."""
    kind = rng.random()
    content = text if kind < 0.15 else question(rng)
    if kind > 0.9:
        await http.post("/v1/route", json={"prompts": [content, question(rng)]})
        return
    body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": content}]}
    body["scope"] = {"alpha": 7 if kind > 0.88 else rng.choice(ALPHAS)}  # 7 is an error
    answer = await http.post("/v1/chat/completions", json=body)
    p_correct = answer.headers.get("x-scope-p-correct")
    if answer.status_code == 200 and p_correct is not None and rng.random() < 0.8:
        score = float(rng.random() < SCORE_SHARE * float(p_correct))
        decision_id = answer.headers["x-scope-decision-id"]
        await http.post("/v1/feedback", json={"decision_id": decision_id, "score": score})


def question(rng: random.Random) -> str:
    """Return a question with ten options."""
    stem = rng.choice(QUESTIONS).format(rng.randrange(2, 40), rng.randrange(2, 40))
    options = [f"{letter}. {rng.randrange(1, 1000)}" for letter in "ABCDEFGHIJ"]
    return "\n".join([stem, *options])


def break_things(served: Any, upstream: Upstream) -> None:  # noqa: ANN401 - of the tests
    """Let an upstream fail, kill the Predictor, and deploy wrong settings; mend each."""
    time.sleep(0.2 * SECONDS)
    upstream.behave(behaviour(**{FAILING: {"way": "status", "status": 500}}))
    time.sleep(0.13 * SECONDS)
    upstream.behave(behaviour())
    time.sleep(0.17 * SECONDS)
    served.kill("Predictor")
    time.sleep(0.2 * SECONDS)
    served.deploy(Router={"user_config": settings(upstream, policy={"alpha": 7})})
    time.sleep(0.1 * SECONDS)
    served.deploy(Router={"user_config": settings(upstream, policy={"alpha": 0.6})})


if __name__ == "__main__":
    main()
