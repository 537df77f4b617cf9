"""The wait that an upstream asks for holds for all requests, not only for the one that was told."""

import asyncio

import pytest

from deployments.upstream.upstreams import MAX_REST_S
from scope.upstream.failure import UpstreamError, http_error
from tests.deployments.conftest import failing, outcomes


def busy(retry_after, status=429, **more):
    """How a model behaves that is out of capacity for this long."""
    return failing(status=status, retry_after=retry_after, **more)


def execute(site, behaviour, *requests, **settings):
    """Send requests one after the other; each is the arguments of one."""

    async def run():
        async with site.open(behaviour, **settings):
            return [await site.execute(**request) for request in requests]

    return asyncio.run(run())


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_other_requests_go_to_another_model_meanwhile(site, status, stream):
    """
    Without a call of the busy one.
    """
    _, answer = execute(site, {"small": busy("20", status)}, {"stream": stream}, {"stream": stream})

    assert outcomes(answer) == [("small", "retry after"), ("large", "ok")]
    assert [call["model"] for call in site.log()] == ["small", "large", "large"]


@pytest.mark.parametrize("status", [429, 503])
def test_where_it_is_the_only_one_the_client_is_told_the_rest_of_the_wait(site, status):
    """
    At once, if that is beyond the deadline; with the status that the upstream had.
    """
    only = {"models": ["small"], "deadline_s": 2.0}

    _, answer = execute(site, {"small": busy("20", status)}, only, only)

    assert (answer.status, answer.headers) == (status, {"retry-after": "20"})
    assert outcomes(answer) == [("small", "retry after")]
    assert len(site.log()) == 1


def test_where_it_is_the_only_one_a_short_wait_is_waited_for(site):
    """
    Within the deadline, and then it is called; the skipped call is no attempt.
    """

    async def run():
        async with site.open({"small": busy("0.3", times=1)}, attempts=1):
            first = await site.execute(["small"])
            return first, await site.execute(["small"])

    first, second = asyncio.run(run())

    assert (first.status, second.status) == (429, 200)
    assert outcomes(second) == [("small", "retry after"), ("small", "ok")]
    told, answered = site.log()
    assert answered["at"] - told["at"] >= 0.25


def test_all_arms_of_a_model_wait(site):
    """
    They have one upstream.
    """
    (answer,) = execute(site, {"small": busy("20")}, {"models": ["small", "small#high", "large"]})

    assert outcomes(answer) == [
        ("small", "http 429"),
        ("small#high", "retry after"),
        ("large", "ok"),
    ]


@pytest.mark.parametrize("retry_after", ["86400", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_long_wait_keeps_others_away_for_a_minute_only(site, retry_after):
    """
    One header cannot take a model out for a day.
    """
    only = {"models": ["small"], "deadline_s": 2.0}

    _, answer = execute(site, {"small": busy(retry_after)}, only, only)

    assert (answer.status, answer.headers) == (429, {"retry-after": f"{MAX_REST_S:.0f}"})


def test_a_shorter_wait_does_not_end_a_longer_one(site):
    """
    Answers to calls that are in flight together come in any order.
    """

    async def run():
        async with site.open():
            small = site.upstreams["small"]
            with pytest.raises(UpstreamError, match="now 1"), small.acquire():
                with pytest.raises(UpstreamError, match="now 20"), small.acquire():
                    raise http_error(429, "now 20", "20", str)
                raise http_error(429, "now 1", "1", str)
            return await site.execute(["small"], deadline_s=0.5)

    assert asyncio.run(run()).headers == {"retry-after": "20"}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(failing(status=429), id="no wait"),
        pytest.param(busy("0"), id="no time"),
        pytest.param(busy("20", 500), id="another status"),
        pytest.param(
            busy("20", error_fields={"code": "insufficient_quota"}), id="an account without credit"
        ),
    ],
)
def test_other_failures_keep_nobody_away(site, failure):
    """
    The breaker is for those.
    """
    _, answer = execute(site, {"small": failure}, {}, {})

    assert outcomes(answer) == [("small", f"http {failure['status']}"), ("large", "ok")]
