"""Answers are written to the cache, failed ones are not; without engine or Ray."""

from contextlib import closing

import numpy as np
import pytest

from pipelines.reasoner.answer_writer import ERROR, FLUSH_ROWS, AnswerWriter
from pipelines.reasoner.request import ReasonerUsage
from scope.reasoner.answer_cache import AnswerCache, AnswerKey
from tests.scope.reasoner.test_answer_cache import FINGERPRINT


@pytest.fixture
def cache(tmp_path):
    return AnswerCache(tmp_path, FINGERPRINT)


def answer_keys(n):
    return [AnswerKey("small", None, f"question {row}") for row in range(n)]


def writer_of(cache, n, usage=None):
    keys = cache.keys(answer_keys(n))
    return AnswerWriter(
        cache, {(row, 0): keys[row] for row in range(n)}, usage or ReasonerUsage(n, 0)
    )


def batch(rows, failed=()):
    """Answers of an engine that came up at 100 s and answers one prompt a second."""
    rows = np.array(rows)
    bad = np.isin(rows, failed)
    return {
        "row": rows,
        "column": np.zeros(len(rows), dtype=int),
        "p_yes": np.where(bad, np.nan, 0.5),
        "tokens": np.where(bad, np.nan, 100.0),
        "prompt_tokens": np.where(bad, 0, 600),
        "generated_tokens": np.where(bad, 0, 10),
        "cached_tokens": np.where(bad, 0, 150),
        "engine": np.array(["one"] * len(rows), dtype=object),
        "up_s": np.full(len(rows), 100.0),
        "begun_s": 150.0 + rows,
        "ended_s": 151.0 + rows,
        ERROR: np.array(["out of memory" if is_bad else "" for is_bad in bad], dtype=object),
    }


def test_a_failed_answer_is_not_cached(cache):
    """
    The next run queries it again; this one records the error.
    """
    with closing(writer_of(cache, 4)) as writer:
        assert writer.add(batch([0, 1, 2, 3], failed=[2])) == 1

    assert cache.missing(answer_keys(4)) == [2]
    assert writer.failed == {bytes(cache.keys(answer_keys(4))[2]): "out of memory"}


def test_answers_are_written_before_the_end(cache, tmp_path):
    """
    As soon as there are `FLUSH_ROWS`: a kill loses at most these.
    """
    writer = writer_of(cache, 2 * FLUSH_ROWS)
    writer.add(batch(range(FLUSH_ROWS - 1)))
    assert not list(cache.folder.glob("*.arrow"))

    writer.add(batch(range(FLUSH_ROWS - 1, FLUSH_ROWS + 1)))

    assert AnswerCache(tmp_path, FINGERPRINT).missing(answer_keys(2 * FLUSH_ROWS)) == list(
        range(FLUSH_ROWS + 1, 2 * FLUSH_ROWS)
    )


def test_answers_before_an_error_are_kept(cache):
    """
    The writer is closed when the engines die.
    """
    with pytest.raises(RuntimeError), closing(writer_of(cache, 2)) as writer:
        writer.add(batch([0]))
        raise RuntimeError

    assert cache.missing(answer_keys(2)) == [1]


def test_usage_is_counted(cache):
    """
    Rates cover the time from the first prompt to the last answer; hours include the engine start.
    """
    usage = ReasonerUsage(n_requested=14, n_cached=10, gpus=2)
    with closing(writer_of(cache, 4, usage)) as writer:
        writer.add(batch([0, 1]))
        writer.add(batch([2, 3], failed=[3]))

    fields = usage.to_json()
    counts = [fields[f"n_{name}"] for name in ("requested", "cached", "queried", "failed")]
    assert counts == [14, 10, 4, 1]
    assert fields["prompt_tokens_per_s"] == 1800 / 4
    assert fields["generated_tokens_per_s"] == 30 / 4
    assert fields["prefix_cache_hit_rate"] == 0.25
    assert fields["gpu_hours"] == 2 * 54 / 3600
    assert "about 0.03 GPU-hours" in str(usage)


def pool_batch(p_yes_nm, error):
    """Answers about all models, one prompt a question, as Ray hands over their lists."""
    made = batch(range(len(p_yes_nm)))
    lists = np.empty(len(p_yes_nm), dtype=object)
    lists[:] = [np.array(row) for row in p_yes_nm]
    errors = np.array([error if np.isnan(row).any() else "" for row in p_yes_nm], dtype=object)
    return {**made, "p_yes": lists, "tokens": lists * 100, ERROR: errors}


def test_a_prompt_about_a_pool_has_an_answer_for_each_model(cache):
    """
    The line that is missing fails alone, and its neighbours are kept; an answer that is not
    wanted is dropped. The tokens of a prompt count once.
    """
    keys = [AnswerKey(model, None, f"question {row}") for row in (0, 1) for model in "abc"]
    cells = [(row, m) for row in (0, 1) for m in range(3)]
    key_of = dict(zip(cells, cache.keys(keys), strict=True))
    del key_of[1, 0]
    usage = ReasonerUsage(5)
    with closing(AnswerWriter(cache, key_of, usage)) as writer:
        n_failed = writer.add(pool_batch([[0.1, 0.2, np.nan], [0.4, 0.5, 0.6]], "no answer"))

    assert n_failed == 1
    assert cache.missing(keys) == [2, 3]
    assert writer.failed == {key_of[0, 2]: "no answer"}
    _, answers = cache.lookup(cache.keys([keys[1], keys[5]]))
    assert answers[:, :3].tolist() == pytest.approx(np.array([[0.2, 20, 200], [0.6, 60, 200]]))
    assert (usage.n_queried, usage.n_failed, usage.n_prompts) == (5, 1, 2)
    assert (usage.prompt_tokens, usage.generated_tokens) == (1200, 20)
    assert "5 queried in 2 prompts, 1 of them failed" in str(usage)


def test_a_cpu_has_no_gpu_hours(cache):
    """
    Unknown is null.
    """
    usage = ReasonerUsage(n_requested=1, n_cached=0, gpus=0)
    with closing(writer_of(cache, 1, usage)) as writer:
        writer.add(batch([0]))

    assert usage.to_json()["gpu_hours"] is None
    assert "hours on a CPU" in str(usage)


def test_a_reasoner_of_weight_0_is_not_queried():
    """
    No answer could change a prediction.
    """
    assert str(ReasonerUsage(n_requested=0)) == (
        "the reasoner has weight 0 with this bank: it was not queried"
    )


def test_usage_without_queries_has_no_rates():
    """
    All answers were in the cache.
    """
    usage = ReasonerUsage(n_requested=3, n_cached=3, gpus=1)

    assert usage.to_json()["prompt_tokens_per_s"] is None
    assert usage.to_json()["prefix_cache_hit_rate"] is None
    assert str(usage) == "3 answers: 3 from the cache, 0 queried"
