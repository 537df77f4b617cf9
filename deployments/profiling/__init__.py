"""Measure one replica of each deployment, and Serve around them, on this machine."""

from deployments.profiling.bench import application_of, bench_replicas
from deployments.profiling.service_times import ServiceTimes

__all__ = [
    "ServiceTimes",
    "application_of",
    "bench_replicas",
]
