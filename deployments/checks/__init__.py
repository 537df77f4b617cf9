"""Find mistakes in configurations that Ray would ignore or fail on much later."""

from deployments.checks.application import IMPORT_PATH
from deployments.checks.documents import CheckedFiles
from deployments.checks.files import check_files, inspect_files
from deployments.checks.findings import Finding
from deployments.checks.serve_config import check_config, read_config

__all__ = [
    "IMPORT_PATH",
    "CheckedFiles",
    "Finding",
    "check_config",
    "check_files",
    "inspect_files",
    "read_config",
]
