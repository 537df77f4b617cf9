"""Turn the endpoint's logs into a better bank."""

from pipelines.traffic.grow import GrowInputs, GrowReport, grow

__all__ = ["GrowInputs", "GrowReport", "grow"]
