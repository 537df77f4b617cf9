"""When a replica that blocks on its batches is unhealthy."""

import time

from scope.errors import ConfigError

HEALTH_TIMEOUT_S = 60.0
"""A batch that takes longer is stuck."""


def check_not_stuck(began_at: float | None) -> None:
    """Raise `ConfigError` if the batch that began at this monotonic time is stuck."""
    if began_at is not None and time.monotonic() - began_at > HEALTH_TIMEOUT_S:
        raise ConfigError(f"a batch has been running for more than {HEALTH_TIMEOUT_S:g} s")
