"""Decision logs of the endpoint with numbers that are checked by hand."""

import json

from scope.predictions import COLUMNS


def candidate(model, p=0.5, cost=1.0):
    """A candidate with these estimates; every other one is 100."""
    numbers = {"p_correct": p, "p_low": p, "p_high": p, "in_distribution": None}
    costs = dict.fromkeys((name for name in COLUMNS if name.startswith("cost")), cost)
    return {"model": model, **dict.fromkeys(COLUMNS, 100.0), **numbers, **costs}


def request(name, model, candidates, *, settings=None, **other):
    """A record as the Router writes it, of a successful request by default."""
    return {
        "id": name,
        "time": "2026-11-22T13:00:00+00:00",
        "endpoint": "chat",
        "key": "anyone",
        "bank": None,
        "policy": "expected_value",
        "settings": {"alpha": 0.0, "trade_off": None} if settings is None else settings,
        "model": model,
        "source": "anchors",
        "degraded": None,
        "candidates": candidates,
        "status": 200,
        "answered_by": model,
        "attempts": [{"model": model, "outcome": "ok", "latency_s": 0.5}],
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "real_cost_usd": 0.25,
        "overhead_ms": 3.0,
        "upstream_ms": 500.0,
        "error": None,
        **other,
    }


def named_by_client(name, model):
    """A request in which the client named the model, so no policy was applied."""
    undecided = {"policy": None, "settings": None, "source": "client", "candidates": None}
    return {**request(name, model, None), **undecided}


def two_models(name, model="small", **other):
    """A request between a small model and a better one at twice the price."""
    candidates = [candidate("small", 0.5, 1.0), candidate("large", 0.8, 2.0)]
    return request(name, model, candidates, **other)


def write_log(path, requests):
    """Write a log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in requests))
    return path
