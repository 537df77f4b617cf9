"""Time the endpoint over HTTP, against empty Serve graphs of the same shape.

Two instances of Serve run side by side, one with the default flags of Ray, one with those of
`make serve`. The empty graphs with an encoder run it on torch. Every round measures each of the
graphs in turn; ratios are within a round.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.load import Target, load, prompts
from benchmarks.serve_flags import CHOSEN, graph
from benchmarks.serving_client import site
from scope import EMBEDDED_BANK
from tests.upstream import running

CLIENTS, ROUNDS, SECONDS = 16, 5, 4.0
PROMPTS_PER_REQUEST = 128
MODEL = "Mistral-7B-Instruct-v0.1"
CONFIG = Path(__file__).parents[1] / "serve_config.yaml"


def main() -> None:
    """Run all and compare."""
    with running() as upstream:
        baselines = [graph("empty"), graph("encoder")]
        ours = our_config(upstream.base_url)
        for app in [*baselines, graph("stream", base_url=upstream.base_url)]:
            ours["applications"].append({**app, "logging_config": ours["logging_config"]})
        with site({"applications": baselines}) as plain, site(ours, CHOSEN) as chosen:
            print(f"flags of make serve: {' '.join(f'{k}={v}' for k, v in CHOSEN.items())}")
            check_client(upstream.base_url)
            route(plain.url, chosen.url)
            many(chosen.url)
            first_byte(chosen.url)


def our_config(base_url: str) -> dict[str, Any]:
    """Return serve_config.yaml with a local upstream, without rate limit or decision timeout."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    deployments = config["applications"][0]["deployments"]
    (router,) = (each for each in deployments if each["name"] == "Router")
    models = json.loads((Path(EMBEDDED_BANK) / "models.json").read_text())
    router["user_config"] |= {
        "limits": {"requests_per_minute": 1e9, "decision_ms": 60_000},
        "upstreams": {model["id"]: {"base_url": base_url} for model in models},
    }
    return config


def check_client(base_url: str) -> None:
    """Print the throughput of the client against a bare server."""
    result = load(Target(f"{base_url}/chat/completions", partial(chat, prompts())), CLIENTS, 3)
    print(f"the client itself, against a bare uvicorn: {result.per_s:.0f} requests/s")


def route(plain: str, chosen: str) -> None:
    """Compare one prompt per request: latency of one client, throughput of sixteen."""
    prompt = prompts()
    urls = {
        "ours": f"{chosen}/v1/route",
        "encoder": f"{chosen}/encoder/",
        "encoder, defaults": f"{plain}/encoder/",
        "empty, defaults": f"{plain}/empty/",
        "empty": f"{chosen}/empty/",
    }
    targets = {name: Target(url, lambda: {"prompt": next(prompt)}) for name, url in urls.items()}
    for target in targets.values():
        load(target, CLIENTS, 3)  # warm up
    p50 = rounds(targets, lambda target: load(target, 1, SECONDS).p50_ms)
    report("one prompt, one client, p50", "ms", p50, {"encoder": 1, "encoder, defaults": 1})
    rate = rounds(targets, lambda target: load(target, CLIENTS, SECONDS).per_s)
    target = {"encoder": 1.0, "encoder, defaults": 1}
    report(f"one prompt, {CLIENTS} clients", "requests/s", rate, target, at_least=True)


def many(chosen: str) -> None:
    """Compare many prompts per request with one."""
    prompt, url = prompts(seed=1), f"{chosen}/v1/route"
    several = Target(
        url,
        lambda: {"prompts": list(itertools.islice(prompt, PROMPTS_PER_REQUEST))},
        PROMPTS_PER_REQUEST,
    )
    single = Target(url, lambda: {"prompt": next(prompt)})
    load(several, 1, 3)  # warm up
    targets = {"ours": (several, 1), "one": (single, 1), "one, 16 clients": (single, CLIENTS)}
    per_s = rounds(targets, lambda how: load(*how, SECONDS).per_s * how[0].count)
    report(
        f"{PROMPTS_PER_REQUEST} prompts per request", "prompts/s", per_s, {"one": 5}, at_least=True
    )


def first_byte(chosen: str) -> None:
    """Compare the time to the first byte of a stream."""
    prompt = prompts(seed=2)
    ours, pass_through = f"{chosen}/v1/chat/completions", f"{chosen}/stream/"
    targets = {
        "ours": Target(ours, partial(chat, prompt, MODEL)),
        "auto": Target(ours, partial(chat, prompt, "auto")),
        "cached": Target(ours, partial(chat, itertools.repeat(next(prompt)), "auto")),
        "pass-through": Target(pass_through, partial(chat, prompt, MODEL)),
        "encoder": Target(f"{chosen}/encoder/", lambda: {"prompt": next(prompt)}),
    }
    first_ms = rounds(targets, lambda target: load(target, 1, SECONDS, stream=True).p50_ms)
    baseline, encoder = first_ms["pass-through"], first_ms.pop("encoder")
    auto, cached = first_ms.pop("auto"), first_ms.pop("cached")
    report("first byte of a stream, model named", "ms", first_ms, {"pass-through": 1.2})
    found = {"ours": cached, "pass-through": baseline}
    report("first byte of a stream, model chosen, known prompt", "ms", found, {"pass-through": 1.2})
    both = np.add(encoder, baseline).tolist()
    found = {"ours": auto, "pass-through": baseline, "encoder graph, then pass-through": both}
    target = {"encoder graph, then pass-through": 1.2}
    report("first byte of a stream, model chosen, new prompt", "ms", found, target)


def chat(prompt: Iterator[str], model: str = MODEL) -> dict[str, Any]:
    """Return the body of a streaming chat."""
    messages = [{"role": "user", "content": next(prompt)}]
    return {"model": model, "stream": True, "messages": messages}


def rounds(targets: dict[str, Any], measure: Callable[[Any], float]) -> dict[str, list[float]]:
    """Measure each target in turn, `ROUNDS` times."""
    found: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, target in targets.items():
            found[name].append(measure(target))
    return found


def report(
    title: str,
    unit: str,
    found: dict[str, list[float]],
    target: dict[str, float],
    *,
    at_least: bool = False,
) -> None:
    """Print the medians, and the ratio of ours to each baseline, within rounds."""
    print(f"{title}, {unit}")
    ours = np.array(found["ours"])
    print(f"  ours: {np.median(ours):.1f} ({ours.min():.1f}–{ours.max():.1f})")
    for name in [name for name in found if name != "ours"]:
        ratio = ours / np.array(found[name])
        line = f"  {name}: {np.median(found[name]):.1f}, ratio {np.median(ratio):.2f}"
        line += f" ({ratio.min():.2f}–{ratio.max():.2f})"
        if name in target:
            bound, got = target[name], np.median(ratio)
            met = got >= bound if at_least else got <= bound
            sign = "≥" if at_least else "≤"
            line += f" (target {sign} {bound:g}: {'met' if met else 'NOT met'})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
