"""What Serve's controller tells a policy about the deployments of the application."""

from types import SimpleNamespace

from ray.serve.config import AutoscalingConfig, AutoscalingContext

BOUNDS = {"Router": (1, 2), "Embedder": (2, 8), "Predictor": (1, 8), "ScopeEngine": (1, 3)}
TARGETS = {"Router": 128, "Embedder": 10, "Predictor": 10, "ScopeEngine": 48}


def context(name, load, *, running, wanted=None, state=None, at_s=0.0, bounds=None, target=None):
    """The context of one deployment; `wanted` is the number that Serve wants at present."""
    smallest, largest = bounds or BOUNDS[name]
    return AutoscalingContext(
        deployment_id=name,
        deployment_name=name,
        app_name="scope",
        current_num_replicas=running,
        target_num_replicas=running if wanted is None else wanted,
        running_replicas=[],
        total_num_requests=load,
        total_queued_requests=0.0,
        aggregated_metrics={},
        raw_metrics={},
        capacity_adjusted_min_replicas=smallest,
        capacity_adjusted_max_replicas=largest,
        policy_state=state or {},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=at_s,
        config=AutoscalingConfig(
            min_replicas=smallest,
            max_replicas=largest,
            target_ongoing_requests=target or TARGETS[name],
        ),
    )


def contexts(*, state=None, at_s=0.0, **deployments):
    """Contexts by deployment id: ``Embedder=(load, running)`` or ``(load, running, wanted)``."""
    return {
        name: context(
            name,
            load,
            running=running,
            wanted=wanted[0] if wanted else None,
            state=(state or {}).get(name),
            at_s=at_s,
        )
        for name, (load, running, *wanted) in deployments.items()
    }


def recorded(row, state):
    """The contexts of one call that a controller has made, from its record."""
    return {
        name: SimpleNamespace(
            deployment_name=name,
            current_num_replicas=seen["running"],
            target_num_replicas=seen["wanted"],
            capacity_adjusted_min_replicas=seen["min"],
            capacity_adjusted_max_replicas=seen["max"],
            total_num_requests=seen["load"],
            policy_state=state.get(name, {}),
            current_time=row["at_s"],
            config=SimpleNamespace(target_ongoing_requests=seen["target"]),
        )
        for name, seen in row["deployments"].items()
    }
