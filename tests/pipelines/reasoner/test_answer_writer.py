"""Answers on their way to the disk, whole and broken; no engine, no Ray."""

from contextlib import closing

import numpy as np
import pytest

from pipelines.reasoner.answer_writer import ERROR, FLUSH_ROWS, AnswerWriter
from pipelines.reasoner.request import ReasonerUsage
from scope.reasoner.answer_cache import AnswerCache, AnswerKey
from tests.scope.reasoner.test_answer_cache import RECIPE


@pytest.fixture
def cache(tmp_path):
    return AnswerCache(tmp_path, RECIPE)


def asks(n):
    return [AnswerKey("small", None, f"question {row}") for row in range(n)]


def keeper_of(cache, n, tally=None):
    keys = cache.keys(asks(n))
    return AnswerWriter(
        cache, {(row, 0): keys[row] for row in range(n)}, tally or ReasonerUsage(n, 0)
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
        ERROR: np.array(["engine is tired" if one else "" for one in bad], dtype=object),
    }


def test_a_failed_answer_is_not_kept_and_is_asked_again(cache):
    """
    The next run finds it missing; this one knows why.
    """
    with closing(keeper_of(cache, 4)) as keeper:
        assert keeper.add(batch([0, 1, 2, 3], failed=[2])) == 1

    assert cache.missing(asks(4)) == [2]
    assert keeper.failed == {bytes(cache.keys(asks(4))[2]): "engine is tired"}


def test_answers_are_on_the_disk_before_the_end(cache, tmp_path):
    """
    As soon as there are enough of them: a kill loses no more.
    """
    keeper = keeper_of(cache, 2 * FLUSH_ROWS)
    keeper.add(batch(range(FLUSH_ROWS - 1)))
    assert not list(cache.folder.glob("*.arrow"))

    keeper.add(batch(range(FLUSH_ROWS - 1, FLUSH_ROWS + 1)))

    assert AnswerCache(tmp_path, RECIPE).missing(asks(2 * FLUSH_ROWS)) == list(
        range(FLUSH_ROWS + 1, 2 * FLUSH_ROWS)
    )


def test_what_came_before_an_error_is_kept(cache):
    """
    The engines may die: what they have said stays.
    """
    with pytest.raises(RuntimeError), closing(keeper_of(cache, 2)) as keeper:
        keeper.add(batch([0]))
        raise RuntimeError

    assert cache.missing(asks(2)) == [1]


def test_a_run_is_counted(cache):
    """
    Tokens a second from the first prompt begun to the last ended; hours from the engine's start.
    """
    tally = ReasonerUsage(n_wanted=14, n_known=10, gpus=2)
    with closing(keeper_of(cache, 4, tally)) as keeper:
        keeper.add(batch([0, 1]))
        keeper.add(batch([2, 3], failed=[3]))

    told = tally.to_json()
    assert (told["wanted"], told["from_cache"], told["asked"], told["failed"]) == (14, 10, 4, 1)
    assert told["prompt_tokens_per_s"] == 1800 / 4
    assert told["generated_tokens_per_s"] == 30 / 4
    assert told["prefix_cache_hit_rate"] == 0.25
    assert told["gpu_hours"] == 2 * 54 / 3600
    assert "about 0.03 GPU-hours" in str(tally)


def test_a_cpu_has_no_gpu_hours(cache):
    """
    Unknown is null, never a number made up.
    """
    tally = ReasonerUsage(n_wanted=1, n_known=0, gpus=0)
    with closing(keeper_of(cache, 1, tally)) as keeper:
        keeper.add(batch([0]))

    assert tally.to_json()["gpu_hours"] is None
    assert "hours on a CPU" in str(tally)


def test_a_reasoner_without_a_say_is_not_asked():
    """
    A weight of 0 means that no answer could change anything.
    """
    assert str(ReasonerUsage(n_wanted=0)) == (
        "the reasoner has earned no say with this bank: nothing was asked"
    )


def test_nothing_asked_took_nothing():
    """
    All answers were in the cache.
    """
    told = ReasonerUsage(n_wanted=3, n_known=3, gpus=1)

    assert told.to_json()["prompt_tokens_per_s"] is None
    assert told.to_json()["prefix_cache_hit_rate"] is None
    assert str(told) == "3 answers: 3 from the cache, 0 asked"
