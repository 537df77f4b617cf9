"""Turn the endpoint's logs into a better bank."""

from pipelines.traffic.grow import GrowInputs, GrowReport, grow
from pipelines.traffic.redaction import Redactor
from pipelines.traffic.sample import SampleInputs, SampleSummary, write_sample

__all__ = [
    "GrowInputs",
    "GrowReport",
    "Redactor",
    "SampleInputs",
    "SampleSummary",
    "grow",
    "write_sample",
]
