import pytest

from deployments.planning.capacity_plan import Target, gpus_of, make_plan
from deployments.planning.layout import Load
from scope.errors import ConfigError
from tests.deployments.planning.factories import batch_times, service_times

TIMES = service_times()


def plan(rate=20.0, *, p95_s=0.3, times=TIMES, hit_rate=0.0, **target):
    """Plan for prompts of 64 tokens."""
    return make_plan(times, Load(rate, 64, hit_rate), Target(p95_s, **target))


def test_a_small_load_gets_one_replica_of_each():
    """
    A request a second.
    """
    found = plan(1.0)

    assert {name: each.replicas for name, each in found.deployments.items()} == {
        "Router": 1,
        "Embedder": 1,
        "Predictor": 1,
    }
    assert (found.cores, found.proxies) == (1, 1)
    assert found.p95_s <= 0.3


def test_replicas_are_what_the_work_needs_at_seventy_percent():
    """
    200 a second of 10 ms in the Router: 2 cores of work, three Routers; of 5 ms in the proxy two.
    """
    found = plan(200.0)

    assert found.deployments["Router"].replicas == 3
    assert found.proxies == 2
    assert found.deployments["Router"].utilisation == pytest.approx(2 / 3, rel=0.1)
    assert found.cores_used <= 0.71 * found.cores


def test_a_tighter_target_takes_more():
    """
    Replicas or cores.
    """
    loose, tight = plan(100.0, p95_s=0.5), plan(100.0, p95_s=0.06)

    def all_of(found):
        return found.cores + sum(each.replicas for each in found.deployments.values())

    assert tight.p95_s <= 0.06
    assert all_of(tight) > all_of(loose)


def test_batches_are_no_larger_than_pays_and_than_the_target_allows():
    """
    10 ms a batch and 10 a call: batches of 8 serve 89 a second, of 4 serve 80, which is nearly as
    much; two batches of 4 take 100 ms, of 2 take 60.
    """
    assert plan(p95_s=0.3).deployments["Embedder"].max_batch_size == 4
    assert plan(p95_s=0.09).deployments["Embedder"].max_batch_size == 2


def test_limits_follow_littles_law_with_headroom():
    """
    The target is what one replica has on average. The maximum is half as much again, at least two
    batches and at least 64, so that no call waits in Serve's back-off. The Router also holds what
    waits for an upstream: 20 a second for 3 s.
    """
    found = plan(20.0, answer_s=3.0).deployments
    embedder, router = found["Embedder"], found["Router"]

    ongoing = 20.0 / embedder.replicas * embedder.latency_s
    assert ongoing <= embedder.target_ongoing_requests < ongoing + 1
    assert embedder.max_ongoing_requests >= 1.5 * embedder.target_ongoing_requests
    assert embedder.max_ongoing_requests >= max(64, 2 * embedder.max_batch_size)
    assert 60 <= router.target_ongoing_requests <= 63


def test_the_plan_says_up_to_which_load_it_holds():
    """
    Above the load that it is made for.
    """
    assert plan(20.0).capacity_per_s >= 20.0


def test_given_cores_are_not_exceeded():
    """
    Two cores serve 20 a second of 40 ms each.
    """
    found = plan(20.0, cores=2)

    assert found.cores == 2
    assert found.cores_used < 2


def test_too_few_cores_end_in_one_sentence_with_what_they_carry():
    """
    One core serves less than 25 a second.
    """
    with pytest.raises(ConfigError, match=r"40 requests/s .* 1 core, which carries (1\d|2\d)"):
        plan(40.0, cores=1)


def test_a_target_below_the_service_of_one_request_is_refused():
    """
    44 ms (p95) alone.
    """
    with pytest.raises(ConfigError, match=r"p95 of 30 ms cannot be met: .* takes 4\d ms"):
        plan(1.0, p95_s=0.03)


def test_a_cache_that_answers_everything_needs_no_second_embedder():
    """
    200 a second.
    """
    assert plan(200.0, hit_rate=1.0).deployments["Embedder"].replicas == 1


def test_a_second_encoder_gets_replicas_of_its_own():
    """
    100 a second of 30 ms in batches of one: more than of the Embedder's 20.
    """
    two = service_times(second=batch_times(0.0, 0.03))
    found = plan(100.0, times=two)
    second = found.deployments["SecondEmbedder"]

    assert second.replicas > found.deployments["Embedder"].replicas
    assert second.utilisation < 0.75
    assert second.num_cpus > 0.5
    assert found.cores > plan(100.0).cores
    assert list(found.deployments) == ["Router", "Embedder", "SecondEmbedder", "Predictor"]


def test_a_second_encoder_on_a_gpu_counts_there():
    """
    A whole one each.
    """
    found = plan(50.0, times=service_times(second=batch_times(0.01, 0.005, device="cuda")))

    assert gpus_of(found, {"SecondEmbedder": 1.0}) == found.deployments["SecondEmbedder"].replicas
    assert found.deployments["SecondEmbedder"].num_cpus < 0.5


def test_gpus_are_shares_of_replicas():
    """
    A quarter of a GPU each.
    """
    gpu = service_times(embedder=batch_times(0.01, 0.01, device="cuda"))
    found = plan(100.0, times=gpu)

    assert gpus_of(found, {"Embedder": 0.25}) == 0.25 * found.deployments["Embedder"].replicas
