"""How long a request waits, for which model, and what its client is told."""

import pytest

from tests.deployments.conftest import failing, outcomes


def busy(retry_after, **more):
    """How a model behaves that is out of capacity for this long, or does not say."""
    return failing(status=429, retry_after=retry_after, **more)


@pytest.mark.parametrize("models", [("small", "large"), ("large", "small")])
def test_the_shortest_wait_is_waited_for(ask, site, models):
    """
    Whichever model failed last; the other, whose wait is not over, is not asked again.
    """
    answer, _ = ask({"small": busy("0.1", times=1), "large": busy("30")}, models=models)

    assert outcomes(answer)[2:] == [("small", "ok")]
    first, second = [call for call in site.log() if call["model"] == "small"]
    assert second["at"] - first["at"] >= 0.1


@pytest.mark.parametrize("models", [("small", "large"), ("large", "small")])
def test_the_shortest_wait_is_told(ask, models):
    """
    The deadline is before both.
    """
    answer, _ = ask({"small": busy("20"), "large": busy("40")}, models=models)

    assert (answer.status, answer.headers) == (429, {"retry-after": "20"})
    assert len(answer.attempts) == 2


def test_a_model_that_does_not_ask_to_wait_is_tried_meanwhile(ask):
    """
    The other model's wait goes on; at the end it is the only answer to "when?".
    """
    answer, _ = ask({"small": busy("30"), "large": failing(status=500)}, attempts=4)

    assert outcomes(answer) == [("small", "http 429")] + [("large", "http 500")] * 3
    assert (answer.status, answer.headers) == (429, {"retry-after": "30"})


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param({"status": 402}, id="402"),
        pytest.param({"status": 429, "error_fields": {"code": "insufficient_quota"}}, id="quota"),
        pytest.param(
            {"status": 400, "message": "Your credit balance is too low to access the API."},
            id="in words, as 400",
        ),
    ],
)
def test_a_model_without_credit_is_not_asked_again(ask, empty):
    """
    Later rounds are for the others.
    """
    answer, _ = ask({"small": failing(**empty), "large": failing(times=2)})

    status = f"http {empty['status']}"
    assert outcomes(answer) == [
        ("small", status),
        ("large", "http 500"),
        ("large", "http 500"),
        ("large", "ok"),
    ]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_model_that_refuses_the_key_is_not_asked_again(ask, status):
    """
    Nor one whose address is wrong: no wait repairs either.
    """
    answer, _ = ask({"small": failing(status=status), "large": failing(times=1)})

    assert [model for model, _ in outcomes(answer)] == ["small", "large", "large"]


def test_an_empty_account_is_not_told_as_a_rate(ask):
    """
    A client that waits and asks again would get the same answer.
    """
    empty = failing(status=429, error_fields={"code": "insufficient_quota"})
    answer, _ = ask({"small": empty}, models=["small"])

    assert (answer.status, answer.body["error"]["code"], answer.headers) == (
        502,
        "upstream_failed",
        {},
    )
