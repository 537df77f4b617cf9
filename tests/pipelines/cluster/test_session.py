"""Errors on their way from a worker of Ray to the user."""

import pickle

import pytest
from ray.data._internal.util import _annotate_exception_with_retry_context as annotated

from pipelines.cluster.session import _without_note
from scope.errors import ConfigError, EmbedderMismatchError, OutputWriteError


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConfigError("no bank"), id="its own words"),
        pytest.param(EmbedderMismatchError("minilm", "qwen"), id="made of parts"),
        pytest.param(OutputWriteError(28, "No space left on device", "out/a"), id="of the system"),
    ],
)
def test_what_ray_data_adds_to_an_error_is_taken_off(error):
    """
    Advice about retries of a library that the user has not heard of.
    """
    before = str(error)
    noted = annotated(
        error,
        description="apply UDF transform",
        attempts=1,
        max_attempts=1,
        total_backoff_s=0.0,
        exception_str=before,
    )

    assert str(_without_note(pickle.loads(pickle.dumps(noted)))) == before
