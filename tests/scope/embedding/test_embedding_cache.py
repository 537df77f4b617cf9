"""The cache as any number of processes use it, killed or not. No encoder, no Ray."""

import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.embedding.spec import EmbeddingCache, EmbeddingFingerprint
from scope.storage.vector_cache import CorruptShardWarning

RECIPE = EmbeddingFingerprint(name="encoder", revision="1")


def vectors(texts, salt=0):
    """A vector of its own for each text, the same in every process."""
    seeds = [[*text.encode("utf-8", "surrogatepass"), salt] for text in texts]
    return np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds], np.float32)


def put(cache, texts, salt=0):
    cache.add(cache.keys(texts), vectors(texts, salt))


def holds(cache, texts):
    """Which texts are found; those that are must have their own vector, bit for bit."""
    found, embedding_nd = cache.lookup(cache.keys(texts))
    assert embedding_nd[found].tobytes() == vectors(texts)[found].tobytes()
    return found.tolist()


def shards(cache):
    return sorted(cache.folder.glob("[!.]*.arrow"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A new folder at each call; hypothesis runs one test many times."""
    return lambda: tmp_path_factory.mktemp("embeddings")


def test_nothing_is_found_in_a_new_cache(tmp_path):
    """
    And nothing is asked of a disk that holds nothing.
    """
    cache = EmbeddingCache(tmp_path / "not" / "there", RECIPE)

    assert holds(cache, ["a", "b"]) == [False, False]


@settings(max_examples=25)
@given(st.lists(st.text(max_size=20), min_size=1, unique=True), st.integers(1, 5))
def test_what_goes_in_comes_out_bit_for_bit(folders, texts, size):
    """
    Whatever the texts and however many lie in a shard, here and in a later run.
    """
    root = folders()
    cache = EmbeddingCache(root, RECIPE)
    for start in range(0, len(texts), size):
        put(cache, texts[start : start + size])

    assert all(holds(cache, texts))
    assert all(holds(EmbeddingCache(root, RECIPE), texts))
    assert holds(cache, ["a text of more than twenty characters"]) == [False]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 9), min_size=1)), max_size=12))
def test_writers_may_take_turns_in_any_order(folders, turns):
    """
    Three processes add overlapping texts: all that any has added is found by the next.
    """
    root = folders()
    writers = [EmbeddingCache(root, RECIPE) for _ in range(3)]
    for writer, numbers in turns:
        put(writers[writer], [f"text {n}" for n in sorted(numbers)])

    known = set().union(*(numbers for _, numbers in turns)) if turns else set()
    found = holds(EmbeddingCache(root, RECIPE), [f"text {n}" for n in range(10)])
    assert found == [n in known for n in range(10)]


def test_two_vectors_of_one_text_never_mix(tmp_path):
    """
    Two processes embedded it in batches that differ: every run after gets the same one.
    """
    one, other = (EmbeddingCache(tmp_path, RECIPE) for _ in range(2))
    put(one, ["a", "b"], salt=1)
    put(other, ["a", "b"], salt=2)

    runs = [EmbeddingCache(tmp_path, RECIPE).lookup(one.keys(["a", "b"]))[1] for _ in range(2)]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert any((runs[0] == vectors(["a", "b"], salt)).all() for salt in (1, 2))


def test_each_missing_text_is_named_once(tmp_path):
    """
    By the place where it first stands, in that order, so that the same work is cut the same.
    """
    cache = EmbeddingCache(
        tmp_path, EmbeddingFingerprint(name="encoder", revision="1", max_chars=3)
    )
    put(cache, ["b"])

    assert cache.missing(["c", "a", "b", "a", "c", "long", "longer"]) == [0, 1, 5]
    assert cache.missing([]) == []


def test_texts_that_the_encoder_cannot_tell_apart_share_a_key(tmp_path):
    """
    It reads the first characters only.
    """
    cache = EmbeddingCache(
        tmp_path, EmbeddingFingerprint(name="encoder", revision="1", max_chars=3)
    )

    one, same, other = cache.keys(["abcdef", "abcxyz", "abxdef"])

    assert one == same != other


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"revision": "2"},
        {"max_chars": 1_000},
        {"normalised": False},
    ],
)
def test_a_vector_of_another_recipe_is_never_returned(tmp_path, change):
    """
    Another model, version, cut or length of the vector is another key, in another folder.
    """
    put(EmbeddingCache(tmp_path, RECIPE), ["a"])

    other = EmbeddingCache(tmp_path, RECIPE.model_copy(update=change))

    assert holds(other, ["a"]) == [False]
    assert other.keys(["a"]) != EmbeddingCache(tmp_path, RECIPE).keys(["a"])


def test_an_unpinned_revision_has_no_recipe():
    """
    What a hub has today may be other weights tomorrow: nothing may be kept of it.
    """
    with pytest.raises(ValueError, match="revision"):
        EmbeddingFingerprint(name="owner/name", revision=None)


@settings(max_examples=25)
@given(st.data())
def test_a_damaged_byte_never_becomes_a_wrong_vector(folders, data):
    """
    Wherever it lies: the row is right, or it is not found.
    """
    cache = EmbeddingCache(folders(), RECIPE)
    put(cache, ["a", "b", "c"])
    (path,) = shards(cache)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorruptShardWarning)
        holds(EmbeddingCache(cache.folder.parent, RECIPE), ["a", "b", "c"])


def test_a_damaged_vector_is_named_and_can_be_added_again(tmp_path):
    """
    The other shards stand; the new one is found although the damaged one still lies there.
    """
    cache = EmbeddingCache(tmp_path, RECIPE)
    put(cache, ["a"])
    (path,) = shards(cache)
    put(cache, ["b"])
    content = path.read_bytes()
    path.write_bytes(content.replace(vectors(["a"]).tobytes(), vectors(["x"]).tobytes()))

    again = EmbeddingCache(tmp_path, RECIPE)
    with pytest.warns(CorruptShardWarning, match=f"{path.name} is damaged.*delete it"):
        assert holds(again, ["a", "b"]) == [False, True]
    put(again, ["a"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorruptShardWarning)
        assert holds(EmbeddingCache(tmp_path, RECIPE), ["a", "b"]) == [True, True]


@pytest.mark.parametrize(
    "content", [b"", b"ARROW1\0\0", b"not a shard at all" * 9], ids=["empty", "cut", "other"]
)
def test_a_file_that_is_no_shard_is_left_aside(tmp_path, content):
    """
    One warning that names it; the rest of the cache works.
    """
    cache = EmbeddingCache(tmp_path, RECIPE)
    put(cache, ["a"])
    (cache.folder / "0.arrow").write_bytes(content)

    with pytest.warns(CorruptShardWarning, match=r"0\.arrow is damaged"):
        reopened = EmbeddingCache(tmp_path, RECIPE)
    assert holds(reopened, ["a"]) == [True]


def test_a_draft_of_another_process_is_not_looked_at(tmp_path):
    """
    It may be half written, or left by one that was killed.
    """
    cache = EmbeddingCache(tmp_path, RECIPE)
    (cache.folder / ".draft.1.arrow").write_bytes(b"half")

    assert holds(EmbeddingCache(tmp_path, RECIPE), ["a"]) == [False]


WRITER = """
import sys
from pathlib import Path
from tests.scope.embedding.test_embedding_cache import RECIPE, EmbeddingCache, put
cache = EmbeddingCache(Path(sys.argv[1]), RECIPE)
for n in range(10**6):
    put(cache, [f"text {8 * n + i}" for i in range(8)])
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_only_whole_shards(tmp_path):
    """
    SIGKILL in the midst of writing: what is there is right, and can be added to.
    """
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=Path.cwd())
    while len(list(tmp_path.glob("*/[!.]*.arrow"))) < 20:
        assert writer.poll() is None
        time.sleep(0.005)
    writer.send_signal(signal.SIGKILL)
    writer.wait()

    cache = EmbeddingCache(tmp_path, RECIPE)
    n = len(shards(cache))
    texts = [f"text {i}" for i in range(8 * n + 8)]
    assert holds(cache, texts) == [True] * 8 * n + [False] * 8
    put(cache, texts[-8:])
    assert all(holds(EmbeddingCache(tmp_path, RECIPE), texts))
