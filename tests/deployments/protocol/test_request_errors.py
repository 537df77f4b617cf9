import pickle

import pytest

from deployments.protocol.request_errors import (
    AuthenticationError,
    ModelNotFoundError,
    NoEligibleModelError,
    PayloadTooLargeError,
    RateLimitError,
    RequestError,
)


@pytest.mark.parametrize(
    "error",
    [
        RequestError("n: 9", "n"),
        NoEligibleModelError("none", None, "no_model_left"),
        ModelNotFoundError("gpt-9", "model", "model_not_found"),
        PayloadTooLargeError("big"),
        AuthenticationError("who?", code="missing_api_key"),
        RateLimitError("slow down", 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling_between_replicas(error):
    """
    Class, message and every attribute.
    """
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
