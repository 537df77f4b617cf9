"""Limits of queues and of the number of replicas, deployment by deployment."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployments.checks.application import BATCHED, ServedApplication
from deployments.checks.findings import Keys, Mistake, as_list, as_mapping, as_number, dotted
from deployments.replicas import Batching
from deployments.replicas.engine import DEPLOYMENT_NAME

DEFAULT_ONGOING, DEFAULT_TARGET = 5.0, 2.0
"""Serve's ``max_ongoing_requests`` and ``target_ongoing_requests``."""

HEADROOM = 1.2
"""Ratio of limit to target below which the autoscaler hardly sees a load above its target."""

NEEDS_NO_BLOCK = ("Router", "SecondEmbedder", DEPLOYMENT_NAME)
"""Deployments whose block another check demands, or whose limits are in the code."""

SLOW_START = (DEPLOYMENT_NAME, "SecondEmbedder", "Selector", "LearnedRouter")
"""Deployments that load a network for many seconds."""


class Block(NamedTuple):
    """One entry under ``deployments``."""

    config: Mapping[str, Any]
    """The whole configuration."""
    path: Keys
    value: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the deployment."""
        return str(self.value.get("name"))

    @property
    def scaling(self) -> Mapping[str, Any]:
        """The ``autoscaling_config``; empty if the number of replicas is fixed."""
        return as_mapping(self.value.get("autoscaling_config"))

    def number(self, key: str) -> float | None:
        """Return a number of the block; None if it is not given."""
        return as_number(self.value.get(key))

    def mistake(self, key: str, message: str, remedy: str, level: Any = "error") -> Mistake:  # noqa: ANN401
        """Return a mistake about a field, such as ``autoscaling_config.max_replicas``."""
        path = (*self.path, *key.split("."))
        return Mistake(path, f"{dotted(self.config, path)} {message}", remedy, level)


def blocks_of(config: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the deployments of all applications."""
    for i, application in enumerate(as_list(config.get("applications"))):
        for j, block in enumerate(as_list(as_mapping(application).get("deployments"))):
            if isinstance(block, Mapping):
                yield Block(config, ("applications", i, "deployments", j), block)


def queue_mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield queues without a bound, and limits that contradict each other."""
    for block in blocks_of(config):
        yield from _queue_bound(block)
        yield from _target(block)
        yield from _replicas(block)
        yield from _delays(block)


def _queue_bound(block: Block) -> Iterator[Mistake]:
    limit = block.value.get("max_queued_requests")
    if limit == -1 or (limit is None and block.name != DEPLOYMENT_NAME):
        message = "is not set" if limit is None else "is -1"
        yield block.mistake(
            "max_queued_requests",
            f"{message}: the queue has no limit, and waits grow without end",
            "set a number of requests that can be answered in time",
            "warning",
        )


def _target(block: Block) -> Iterator[Mistake]:
    scaling, limit = block.scaling, block.number("max_ongoing_requests")
    target = as_number(scaling.get("target_ongoing_requests"))
    if not scaling or (block.name == DEPLOYMENT_NAME and None in (limit, target)):
        return
    limit = DEFAULT_ONGOING if limit is None else limit
    target = DEFAULT_TARGET if target is None else target
    key = "autoscaling_config.target_ongoing_requests"
    what = "an engine" if block.name == DEPLOYMENT_NAME else "a replica"
    if target > limit:
        message = f"is {target:g}, but {what} never has more than max_ongoing_requests, {limit:g}"
        yield block.mistake(key, f"{message}, so that no second one would start", "lower it")
    elif limit < HEADROOM * target:
        message = (
            f"is {target:g}, close to max_ongoing_requests, {limit:g}: "
            "the autoscaler hardly sees a load above its target"
        )
        remedy = f"raise max_ongoing_requests to {HEADROOM * target:g} or more"
        yield block.mistake(key, message, remedy, "warning")


def _replicas(block: Block) -> Iterator[Mistake]:
    scaling = block.scaling
    least, most = (as_number(scaling.get(f"{end}_replicas"), 1.0) for end in ("min", "max"))
    first = as_number(scaling.get("initial_replicas"), least)
    assert least is not None
    assert most is not None
    assert first is not None
    if least > most:
        message = f"is {most:g}, less than min_replicas, {least:g}"
        key = "autoscaling_config.max_replicas"
        yield block.mistake(key, message, f"set it to {least:g} or more, or lower min_replicas")
    elif not least <= first <= most:
        message = f"is {first:g}, outside min_replicas to max_replicas, {least:g} to {most:g}"
        yield block.mistake("autoscaling_config.initial_replicas", message, "set it between them")
    if least == 0:
        message = "is 0: a request that finds no replica waits for one to start"
        level = "error" if block.name == "Router" else "warning"
        yield block.mistake("autoscaling_config.min_replicas", message, "set 1 or more", level)


def _delays(block: Block) -> Iterator[Mistake]:
    scaling = block.scaling
    up_s = as_number(scaling.get("upscale_delay_s"), 30.0)
    down_s = as_number(scaling.get("downscale_delay_s"), 600.0)
    assert up_s is not None
    assert down_s is not None
    key = "autoscaling_config.downscale_delay_s"
    if down_s < up_s:
        message = f"is {down_s:g}, less than upscale_delay_s, {up_s:g}: replicas come and go"
        yield block.mistake(key, message, f"set it above {up_s:g}", "warning")
    elif block.name in SLOW_START and down_s < 60.0:
        message = f"is {down_s:g}: a lull stops a replica that is slow to start"
        yield block.mistake(key, message, "set 300 or more", "warning")


def application_queue_mistakes(app: ServedApplication) -> Iterator[Mistake]:
    """Yield limits of our deployments that their batches or clients need otherwise."""
    for name in BATCHED:
        if name in app.blocks:
            yield from _batches(Block(app.config, *app.blocks[name]))
    if "Router" in app.blocks:
        router = Block(app.config, *app.blocks["Router"])
        yield from _router_limit(router, app)
    for name in app.deployment_names:
        if app.args is not None and name not in (*app.blocks, *NEEDS_NO_BLOCK):
            message = f"{name} has no block: its queue has no limit and it has one replica"
            remedy = f"add a deployment {name} with max_queued_requests and autoscaling_config"
            yield Mistake((*app.path, "deployments"), message, remedy, "warning")


def _batches(block: Block) -> Iterator[Mistake]:
    limit = block.number("max_ongoing_requests")
    user_config = as_mapping(block.value.get("user_config"))
    default = Batching.model_fields["max_batch_size"].default
    batch = as_number(user_config.get("max_batch_size"), default)
    assert batch is not None
    if (limit := DEFAULT_ONGOING if limit is None else limit) < batch:
        message = f"is {limit:g}, less than max_batch_size, {batch:g}: batches never fill"
        remedy = f"set it to {batch:g} or more, or lower max_batch_size"
        yield block.mistake("max_ongoing_requests", message, remedy, "warning")


def _router_limit(router: Block, app: ServedApplication) -> Iterator[Mistake]:
    limit = router.number("max_ongoing_requests")
    limit = DEFAULT_ONGOING if limit is None else limit
    settings = app.settings
    if settings is not None and limit < settings.limits.max_in_flight:
        ours = settings.limits.max_in_flight
        message = (
            f"is {limit:g}, less than limits.max_in_flight, {ours}: Serve rejects requests "
            "before the Router can answer them with an error of the API"
        )
        remedy = f"set it to {ours} or more"
        yield router.mistake("max_ongoing_requests", message, remedy, "warning")
    backpressure = as_mapping(router.value.get("backpressure_config"))
    if router.value.get("max_queued_requests") and "retry_after_s" not in backpressure:
        message = "is not set: clients that Serve rejects try again at once"
        key, remedy = "backpressure_config.retry_after_s", "set it to 1"
        yield router.mistake(key, message, remedy, "warning")
