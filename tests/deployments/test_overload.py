"""Ten times as many clients as there is room for."""

import asyncio
import time
from collections import Counter

import pytest

from tests.deployments.serving import figures, fixed, load
from tests.deployments.test_app import questions

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOM, DECISION_S = 8, 2.0
SECONDS = 30


def test_overload_is_shed_and_leaves_nothing_behind(served):
    """
    Capacity is what as many clients as there is room for get. Of ten times as many, for half a
    minute, those who get in are answered in bounded time and no fewer than half of what the
    capacity was, all others get a Retry-After at once; afterwards all is as before.

    A client that is shed waits for as long as ``Retry-After`` says, as OpenAI's do: on a machine
    where clients and server share two cores, clients that never wait would measure only how fast
    they ask.
    """
    prompts = questions(400, seed=2)
    served.deploy(
        Router=fixed(1)
        | {
            "user_config": {
                "max_cached_predictions": 0,
                "limits": {"max_in_flight": ROOM, "decision_ms": int(1e3 * DECISION_S)},
            }
        },
        Embedder=fixed(1),
        Predictor=fixed(1),
    )

    shed_s = []

    async def ask(client, n):
        began_at = time.monotonic()
        response = await client.post("/v1/route", json={"prompt": prompts[n % len(prompts)]})
        if response.status_code in (429, 503):
            shed_s.append(time.monotonic() - began_at)
            await asyncio.sleep(float(response.headers["retry-after"]))
        return response

    alone = asyncio.run(load(served.url, ask, clients=ROOM, seconds=8))
    began_at = time.monotonic()
    shed_s.clear()
    seen = asyncio.run(load(served.url, ask, clients=10 * ROOM, seconds=SECONDS))
    took_s = time.monotonic() - began_at
    after_s = time.monotonic()
    served.until(lambda: _is_well(served), "a request is answered in full", timeout_s=5)
    after_s = time.monotonic() - after_s

    capacity, goodput = alone.statuses[200] / 8, seen.statuses[200] / took_s
    figures.info(
        "capacity %.1f/s; of %.1f/s offered %.1f/s answered in p50 %.2f s, p99 %.2f s; "
        "shed in p99 %.2f s; well after %.2f s; %s %s",
        *(capacity, seen.n / took_s, goodput, seen.quantile_s(0.5), seen.quantile_s(0.99)),
        *(sorted(shed_s)[int(0.99 * len(shed_s))], after_s, dict(seen.statuses)),
        Counter(answer["degraded"] for answer in seen.answers),
    )
    assert alone.share(200) == 1
    assert seen.share(200, 429, 503) == 1
    assert seen.share(429, 503) > 0.3
    for response in seen.refused:
        assert int(response.headers["retry-after"]) >= 1
        assert response.json()["error"]["code"] == "overloaded"
    assert seen.quantile_s(0.99) < DECISION_S + 2
    assert goodput > 0.5 * capacity


def _is_well(served):
    response = served.http.post("/v1/route", json={"prompt": "Are you well again?"})
    return response.status_code == 200 and response.json()["degraded"] is None
