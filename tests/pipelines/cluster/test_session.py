"""Errors of Ray workers as the user sees them."""

import pickle

import pytest
from ray.data._internal.util import _annotate_exception_with_retry_context as annotate

from pipelines.cluster.session import _without_note
from scope.errors import ConfigError, EmbedderMismatchError, OutputWriteError


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConfigError("no bank"), id="own message"),
        pytest.param(EmbedderMismatchError("minilm", "qwen"), id="composed message"),
        pytest.param(OutputWriteError(28, "No space left on device", "out/a"), id="system error"),
    ],
)
def test_the_text_that_ray_data_appends_is_removed(error):
    """
    It is advice about retries inside Ray Data.
    """
    before = str(error)
    annotated = annotate(
        error,
        description="apply UDF transform",
        attempts=1,
        max_attempts=1,
        total_backoff_s=0.0,
        exception_str=before,
    )

    assert str(_without_note(pickle.loads(pickle.dumps(annotated)))) == before
