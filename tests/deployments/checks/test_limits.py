"""Limits and timeouts that contradict each other, or leave a queue without end."""

import pytest

from deployments.checks.findings import Mistake
from deployments.checks.serve_config import inspect_config, read_config
from tests.deployments.checks.test_serve_config import FILE, GPU_FILE, changed, router


def block(config, name):
    """Return the block of a deployment."""
    [found] = [b for b in config["applications"][0]["deployments"] if b["name"] == name]
    return found


def scaling(config, name):
    """Return the ``autoscaling_config`` of a deployment."""
    return block(config, name)["autoscaling_config"]


def upstream(**more):
    """Return settings of one upstream."""
    return {"mathstral-7B": {"base_url": "https://api.example.com/v1", **more}}


def only_mistake(change, file=FILE):
    """Return what is wrong with a configuration that a function changed."""
    [mistake] = inspect_config(changed(change, file), here=False).mistakes
    return mistake


@pytest.mark.parametrize("file", [FILE, GPU_FILE])
def test_our_own_configurations_have_no_warning(file):
    """
    Otherwise operators learn to ignore warnings.
    """
    assert inspect_config(read_config(file), here=True).mistakes == []


@pytest.mark.parametrize(
    ("change", "level", "sentence"),
    [
        pytest.param(
            lambda c: block(c, "Embedder").pop("max_queued_requests"),
            "warning",
            "Embedder.max_queued_requests is not set: the queue has no limit",
            id="no limit of a queue",
        ),
        pytest.param(
            lambda c: block(c, "Embedder")["user_config"].update(max_batch_size=100),
            "warning",
            "Embedder.max_ongoing_requests is 64, less than max_batch_size, 100: batches never "
            "fill; set it to 100 or more, or lower max_batch_size",
            id="a batch larger than the limit",
        ),
        pytest.param(
            lambda c: scaling(c, "Predictor").update(target_ongoing_requests=60),
            "warning",
            "Predictor.autoscaling_config.target_ongoing_requests is 60, close to "
            "max_ongoing_requests, 64: the autoscaler hardly sees a load above its target; "
            "raise max_ongoing_requests to 72 or more",
            id="a target close to the limit",
        ),
        pytest.param(
            lambda c: scaling(c, "Predictor").update(target_ongoing_requests=65),
            "error",
            "Predictor.autoscaling_config.target_ongoing_requests is 65, but a replica never has "
            "more than max_ongoing_requests, 64, so that no second one would start; lower it",
            id="a target above the limit",
        ),
        pytest.param(
            lambda c: scaling(c, "Predictor").update(initial_replicas=9),
            "error",
            "Predictor.autoscaling_config.initial_replicas is 9, outside min_replicas to "
            "max_replicas, 1 to 2; set it between them",
            id="a start outside the range",
        ),
        pytest.param(
            lambda c: scaling(c, "Router").update(min_replicas=0),
            "error",
            "Router.autoscaling_config.min_replicas is 0: a request that finds no replica waits",
            id="no Router",
        ),
        pytest.param(
            lambda c: scaling(c, "Predictor").update(upscale_delay_s=60, downscale_delay_s=10),
            "warning",
            "Predictor.autoscaling_config.downscale_delay_s is 10, less than upscale_delay_s, 60",
            id="faster down than up",
        ),
        pytest.param(
            lambda c: router(c).update(max_ongoing_requests=256),
            "warning",
            "Router.max_ongoing_requests is 256, less than limits.max_in_flight, 512",
            id="Serve rejects before the Router",
        ),
        pytest.param(
            lambda c: router(c).pop("backpressure_config"),
            "warning",
            "Router.backpressure_config.retry_after_s is not set: clients that Serve rejects try "
            "again at once; set it to 1",
            id="no Retry-After",
        ),
        pytest.param(
            lambda c: c["applications"][0]["deployments"].pop(),
            "warning",
            "Predictor has no block: its queue has no limit and it has one replica",
            id="no block",
        ),
        pytest.param(
            lambda c: c["http_options"].pop("request_timeout_s"),
            "warning",
            "http_options.request_timeout_s is not set: while no replica runs, requests wait",
            id="no time limit",
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(
                limits={"deadline_ms": 10_000, "decision_ms": 6_000}
            ),
            "warning",
            "Router.user_config.limits.decision_ms is 6000, more than half of limits.deadline_ms, "
            "10000, which is all that it can use; set it to 5000 or less",
            id="a decision longer than it can be",
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(upstreams=upstream(timeout_s=700)),
            "warning",
            "Router.user_config.upstreams.mathstral-7B.timeout_s is 700, and limits.deadline_ms "
            "ends a request after 600 s",
            id="an upstream slower than a request may be",
        ),
        pytest.param(
            lambda c: router(c).update(graceful_shutdown_timeout_s=5),
            "warning",
            "Router.graceful_shutdown_timeout_s is 5, less than the deadline of a request, 600 s",
            id="streams broken off by an update",
        ),
        pytest.param(
            lambda c: block(c, "Embedder").update(health_check_timeout_s=0.2),
            "error",
            "Embedder.health_check_timeout_s is 0.2: a busy replica answers later and is stopped",
            id="a health check that is too short",
        ),
        pytest.param(
            lambda c: block(c, "Predictor").update(user_config={"a": 1}),
            "error",
            "Predictor.user_config makes its replicas fail: it has no settings; remove it",
            id="settings of a deployment without any",
        ),
        pytest.param(
            lambda c: block(c, "Predictor").update(placement_group_bundles=[{"cpu": 1}]),
            "error",
            "Predictor.placement_group_bundles[0].cpu is no resource of Ray, so that no node "
            "fits; did you mean CPU?",
            id="a resource in small letters",
        ),
        pytest.param(
            lambda c: c["applications"][0].update(port=80),
            "error",
            "port of an application makes Serve refuse the file; set http_options.port",
            id="a port of an application",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_found(change, level, sentence):
    """
    One mistake, whose sentence has the numbers.
    """
    mistake: Mistake = only_mistake(change)

    assert mistake.level == level
    assert mistake.sentence.startswith(sentence)


def test_an_engine_is_not_stopped_by_a_lull():
    """
    It takes minutes to load.
    """
    mistake = only_mistake(
        lambda c: scaling(c, "ScopeEngine").update(downscale_delay_s=30), GPU_FILE
    )

    assert mistake.level == "warning"
    assert (
        "downscale_delay_s is 30: a lull stops a replica that is slow to start" in mistake.message
    )


def test_the_first_error_stands_for_the_others():
    """
    `scope serve` says one sentence, and where to find the rest.
    """
    from deployments.checks import check_config
    from scope.errors import ConfigError

    def two(config):
        router(config).update(max_ongoing=1)
        block(config, "Embedder").update(max_ongoing=1)

    with pytest.raises(ConfigError, match=r"Router.max_ongoing is unknown.*\(and 1 more: `scope"):
        check_config(changed(two))
