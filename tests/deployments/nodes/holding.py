"""The deployments of the application without their work: replicas hold their resources."""

from ray import serve

from deployments.replicas.engine import DEPLOYMENT_NAME
from scope.reasoner.engine import EngineConfig


class Holding:
    """A replica that is up as soon as its resources are there."""

    def __init__(self, *_handles):
        """Load nothing."""

    def reconfigure(self, user_config):
        """Accept any settings."""

    async def __call__(self, _request):
        """Answer any request."""
        return "here"


def build(args: dict):
    """The graph; ``args["engine"]`` are those of the reasoner's engine, if it has one."""

    def deployment(name, **options):
        return serve.deployment(Holding, name=name).options(**options)

    engine = ()
    if args.get("engine"):
        config = EngineConfig(**args["engine"])
        bundles = [config.bundle] * config.tensor_parallel
        engine = (
            deployment(
                DEPLOYMENT_NAME,
                placement_group_bundles=bundles,
                placement_group_strategy=config.placement["strategy"],
                ray_actor_options={"num_cpus": 0},
            ).bind(),
        )
    predictor = deployment("Predictor").bind(*engine)
    return deployment("Router").bind(deployment("Embedder").bind(), predictor)
