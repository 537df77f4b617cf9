"""Find mistakes in Serve configurations that Serve would ignore or fail on much later."""

from deployments.checks.application import IMPORT_PATH
from deployments.checks.findings import Finding
from deployments.checks.serve_config import check_config, read_config

__all__ = [
    "IMPORT_PATH",
    "Finding",
    "check_config",
    "read_config",
]
