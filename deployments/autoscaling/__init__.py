"""How many replicas each deployment of the graph should have, as Serve's controller asks."""

from deployments.autoscaling.graph_policy import scale_graph

__all__ = ["scale_graph"]
