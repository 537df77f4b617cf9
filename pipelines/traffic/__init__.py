"""Turn the endpoint's logs into questions for a bank."""

from pipelines.traffic.redaction import Redactor
from pipelines.traffic.sample import SampleInputs, SampleSummary, write_sample

__all__ = ["Redactor", "SampleInputs", "SampleSummary", "write_sample"]
