import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def cluster():
    """One local Ray for all tests of the ``ray`` tier; stopped when the session ends."""
    from pipelines.session import ray_session

    with ray_session():
        yield
