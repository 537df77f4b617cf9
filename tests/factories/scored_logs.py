"""Decision logs with scores of clients, in which one model degrades at a known time."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.factories.decision_logs import candidate, request, write_log

BEGIN = datetime(2026, 10, 5, tzinfo=UTC)
"""A Monday."""
CHANGE = datetime(2026, 11, 16, tzinfo=UTC)
N_REQUESTS = 2_000


def write_scored_log(folder, *, drop=0.3, n=N_REQUESTS, bank="b" * 64, texts=None, seed=0):
    """Write `n` requests of eight weeks, all scored, as two files; return the folder.

    ``small`` is right as often as predicted until `CHANGE`, and by `drop` less from then on, on
    prompts in the distribution of the anchors; ``large`` always as predicted.

    Parameters
    ----------
    texts : sequence of str, optional
        Prompts, in turn; the log keeps none by default.
    """
    rng = np.random.default_rng(seed)
    requests, scores = [], []
    for i in range(n):
        time = BEGIN + timedelta(weeks=8) * i / n
        name, model = f"d{i}", ("small", "large")[i % 4 == 0]
        inside = bool(rng.random() < 0.7)
        p = {"small": rng.beta(6, 3), "large": rng.beta(8, 2)}
        estimates = [{**candidate(m, p[m]), "in_distribution": 1.0 if inside else 0.6} for m in p]
        text = {} if texts is None else {"prompt": texts[i % len(texts)]}
        at = {"time": time.isoformat(timespec="milliseconds")}
        requests.append(request(name, model, estimates, bank=bank, **at, **text))
        fallen = model == "small" and inside and time >= CHANGE
        right = bool(rng.random() < p[model] - drop * fallen)
        later = {"time": (time + timedelta(minutes=5)).isoformat(timespec="milliseconds")}
        scores.append(scored(name, model, p[model], float(right), **later))
    write_log(folder / "decisions-a.00000001.jsonl", requests)
    write_scores(folder, scores)
    return folder


def scored(name, model, p_correct, score, **other):
    """A score as the Router writes it."""
    fields = {"kind": "feedback", "id": name, "time": BEGIN.isoformat(), "key": "anyone"}
    return {**fields, "model": model, "p_correct": p_correct, "score": score, **other}


def write_scores(folder, scores, name="feedback-a.00000001.jsonl"):
    """Write scores beside the decisions."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in scores))
