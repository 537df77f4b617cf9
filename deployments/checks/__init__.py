"""Find mistakes in configurations that Ray would ignore or fail on much later."""

from deployments.checks.serve_config import check_config, read_config

__all__ = ["check_config", "read_config"]
