"""Arms with several samples, from a real upstream with configurable failures."""

import asyncio
import math
import time

import pytest

from tests.deployments.conftest import failing, outcomes
from tests.deployments.local import LocalReplica

SEVENS = {"small": {"answers": ["It is 7.", "It is 8.", "So 7"]}}
"""Two of three samples agree on 7."""


def longest(request):
    """Score each response by its length, as a reward model would."""
    return [float(len(response)) for response in request.responses]


def text(answer):
    """The text of an answer."""
    return answer.body["choices"][0]["message"]["content"]


def test_the_majority_of_final_answers_wins(ask, site):
    """
    It is worded as in the first sample that gives it.
    """
    answer, _ = ask(SEVENS, models=["small@3"])

    assert (answer.status, answer.model, answer.body["model"]) == (200, "small@3", "small@3")
    assert text(answer) in ("It is 7.", "So 7")
    assert answer.body["scope"]["selector"] == "majority"
    assert len(site.log()) == 3


def test_the_bill_counts_every_sample(ask):
    """
    Three times 20 prompt and 10 completion tokens: 60 × 1 + 30 × 2 per million.
    """
    answer, _ = ask(SEVENS, models=["small@3"])

    assert answer.body["usage"] == {"prompt_tokens": 60, "completion_tokens": 30}
    assert answer.usage == answer.body["usage"]
    assert answer.cost_usd == pytest.approx(120e-6)
    assert answer.body["scope"] == {
        "model": "small@3",
        "cost_usd": pytest.approx(120e-6),
        "n": 3,
        "n_failed": 0,
        "n_cancelled": 0,
        "n_unknown_usage": 0,
        "chosen": answer.body["scope"]["chosen"],
        "selector": "majority",
        "scores": None,
    }


def open_and_ask(site, behaviour, *, reward=None, grace_s=10.0, deadline_s=5.0, **body):
    """Ask `small@3`, then `large`, once."""

    async def once():
        async with site.open(behaviour, reward=reward, grace_s=grace_s):
            models = ("small@3", "large")
            return await site.execute(models, deadline_s=deadline_s, **body)

    return asyncio.run(once())


def test_a_reward_model_chooses(site):
    """
    The sample with the highest score; every score is in the answer.
    """
    reward = LocalReplica(longest)
    behaviour = {"small": {"answers": ["7", "seven", "it is 7"]}}

    answer = open_and_ask(site, behaviour, reward=reward)

    (request,) = reward.calls
    assert (request.prompt, sorted(request.responses)) == (site.prompt, ["7", "it is 7", "seven"])
    assert text(answer) == "it is 7"
    assert answer.body["scope"]["selector"] == "reward"
    assert sorted(answer.body["scope"]["scores"]) == [1.0, 5.0, 7.0]
    assert answer.samples.degraded is None


@pytest.mark.parametrize("kind", ["late", "full", "broken", "down"])
def test_without_the_reward_model_the_majority_decides(site, kind):
    """
    And the answer says why.
    """
    reward = LocalReplica(longest)
    reward.failing = ("selector", kind)

    answer = open_and_ask(site, SEVENS, reward=reward)

    assert answer.samples.degraded == f"selector {kind}"
    assert answer.body["scope"]["selector"] == "majority"


def test_a_reward_model_that_scores_nothing_is_broken(site):
    """
    NaN is no score; one NaN among numbers is only never chosen.
    """
    nothing = LocalReplica(lambda request: [math.nan] * len(request.responses))
    one = LocalReplica(lambda request: [math.nan, 0.0, 1.0])

    assert open_and_ask(site, SEVENS, reward=nothing).samples.degraded == "selector broken"
    answer = open_and_ask(site, SEVENS, reward=one)
    assert (answer.samples.chosen, answer.samples.scores) == (2, (None, 0.0, 1.0))


def test_one_hung_sample_does_not_hold_the_answer(site):
    """
    It is cancelled a quarter of a second after the others, its tokens are unknown.
    """
    began_at = time.monotonic()

    answer = open_and_ask(site, {"small": failing("silent", times=1)})

    counts = answer.samples.counts
    assert time.monotonic() - began_at < 2
    assert (counts.drawn, counts.failed, counts.cancelled, counts.unknown_usage) == (3, 0, 1, 1)
    assert answer.body["usage"] == {"prompt_tokens": 40, "completion_tokens": 20}
    assert [call["hung_up"] for call in site.log()] == [True, False, False]


def test_a_failed_sample_is_skipped(site):
    """
    It is neither an answer nor a reason to call another model.
    """
    answer = open_and_ask(site, {"small": failing(status=500, times=2)})

    counts = answer.samples.counts
    assert (counts.drawn, counts.failed, counts.cancelled, counts.unknown_usage) == (3, 2, 0, 0)
    assert outcomes(answer) == [("small@3", "ok")]
    assert answer.body["scope"]["selector"] == "only"


def test_an_arm_that_fails_as_a_whole_falls_back(site):
    """
    To the next one; its samples are counted all the same.
    """
    answer = open_and_ask(site, {"small": failing(status=500)})

    assert outcomes(answer) == [("small@3", "http 500"), ("large", "ok")]
    assert answer.attempts[0].samples.failed == 3
    assert (answer.model, answer.samples) == ("large", None)
    assert "n" not in answer.body["scope"]


def test_a_client_error_of_all_samples_and_of_the_next_model_is_passed_on(site):
    """
    The request is wrong, then; the words are those of the best model.
    """
    refusing = failing(status=400, message="bad")
    answer = open_and_ask(site, {"small": refusing, "large": refusing | {"message": "wrong"}})

    assert outcomes(answer) == [("small@3", "http 400"), ("large", "http 400")]
    assert (answer.status, answer.body["error"]["message"]) == (400, "bad")


def test_all_samples_hung_end_with_the_deadline(site):
    """
    Nothing holds a request longer.
    """
    began_at = time.monotonic()

    answer = open_and_ask(site, {"small": failing("silent")}, deadline_s=0.5)

    assert answer.status == 504
    assert time.monotonic() - began_at < 2


def test_samples_differ_in_seed_and_idempotency_key(site):
    """
    With the same ones a provider would send one answer three times.
    """

    async def once():
        async with site.open(SEVENS):
            headers = {"idempotency-key": "k"}
            await site.execute(["small@3"], headers=headers, seed=10)

    asyncio.run(once())

    assert sorted(call["body"]["seed"] for call in site.log()) == [10, 11, 12]
    keys = sorted(call["headers"]["idempotency-key"] for call in site.log())
    assert keys == ["k-0", "k-1", "k-2"]


def test_samples_hold_slots_of_their_upstream(ask):
    """
    What finds none counts as failed; two slots give two samples.
    """
    answer, _ = ask(SEVENS, models=["small@3"], settings={"max_concurrency": 2})

    counts = answer.samples.counts
    assert (counts.drawn, counts.failed, counts.unknown_usage) == (3, 1, 0)


def test_failed_samples_open_the_circuit(site):
    """
    Each is a failure of the upstream.
    """

    async def once():
        async with site.open({"small": failing(status=500)}, breaker_failures=3, attempts=1):
            await site.execute(["small@3"])
            return site.upstreams["small"].breaker.state

    assert asyncio.run(once()) == "open"


def test_a_client_that_leaves_cancels_every_sample(site):
    """
    The upstream sees all connections closed, and no slot stays taken.
    """

    async def once():
        async with site.open({"small": failing("silent")}):
            task = asyncio.create_task(site.execute(["small@3"]))
            while len(await asyncio.to_thread(site.log)) < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await site.hung_up()
            return site.upstreams["small"].in_flight

    assert asyncio.run(once()) == 0


def test_a_stream_never_has_several_samples(site):
    """
    Even if it is offered such an arm first.
    """
    answer = open_and_ask(site, SEVENS, stream=True)

    assert (answer.model, outcomes(answer)) == ("large", [("large", "ok")])


def test_an_effort_arm_sets_the_effort(ask, site):
    """
    The upstream gets the model's own name; answer and cost have the arm's.
    """
    answer, _ = ask(models=["small#high"])

    (call,) = site.log()
    assert (call["model"], call["body"]["reasoning_effort"]) == ("small", "high")
    assert (answer.model, answer.body["model"]) == ("small#high", "small#high")
    assert answer.cost_usd == pytest.approx(40e-6)
