"""The autoscaling policy, with a record of what Serve tells it and what it answers.

Name it in place of `scale_graph` in a Serve configuration, and the file in the environment.
"""

import json
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from deployments.autoscaling.graph_policy import DeploymentLoad, scale_graph

FILE = "SCOPE_RECORDED_POLICY"
"""Variable with the file that gets a line of JSON for every second."""
EVERY_S = 1.0


def scale_and_record(
    contexts: Mapping[Hashable, DeploymentLoad],
) -> tuple[dict[Hashable, int], dict[Hashable, dict[str, Any]]]:
    """Return what `scale_graph` returns."""
    replicas, state = scale_graph(contexts)
    for key, load in contexts.items():
        if load.deployment_name == "Router":
            at_s, before_s = load.current_time, load.policy_state.get("recorded_at_s", 0.0)
            due = at_s - before_s >= EVERY_S
            state[key]["recorded_at_s"] = at_s if due else before_s
            if due:
                row = {"at_s": at_s, "deployments": {}}
                for one, seen in contexts.items():
                    row["deployments"][seen.deployment_name] = _row(seen, replicas[one])
                with Path(os.environ[FILE]).open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return replicas, state


def _row(load: DeploymentLoad, answer: int) -> dict[str, float]:
    return {
        "load": round(load.total_num_requests, 2),
        "target": load.config.target_ongoing_requests,
        "running": load.current_num_replicas,
        "wanted": load.target_num_replicas,
        "min": load.capacity_adjusted_min_replicas,
        "max": load.capacity_adjusted_max_replicas,
        "answer": answer,
    }
