import pickle

import pytest

from deployments.refusals import (
    NoAccessError,
    NoModelLeftError,
    NoSuchModelError,
    RefusedError,
    TooLargeError,
    TooManyError,
)


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("n: 9", "n"),
        NoModelLeftError("none", None, "no_model_left"),
        NoSuchModelError("gpt-9", "model", "model_not_found"),
        TooLargeError("big"),
        NoAccessError("who?", code="missing_api_key"),
        TooManyError("slow down", 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_survives_the_way_between_replicas(error):
    """
    Class, sentence and every attribute.
    """
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
