"""The embedding cache under concurrent and killed processes, without an encoder or Ray."""

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

FINGERPRINT = EmbeddingFingerprint(name="encoder", revision="1")


def vectors(texts, salt=0):
    """A distinct vector for each text, the same in every process."""
    seeds = [[*text.encode("utf-8", "surrogatepass"), salt] for text in texts]
    return np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds], np.float32)


def add(cache, texts, salt=0):
    cache.add(cache.keys(texts), vectors(texts, salt))


def is_found(cache, texts):
    """Which texts are found; a found text must have its own vector, bit for bit."""
    found, embedding_nd = cache.lookup(cache.keys(texts))
    assert embedding_nd[found].tobytes() == vectors(texts)[found].tobytes()
    return found.tolist()


def shards(cache):
    return sorted(cache.folder.glob("[!.]*.arrow"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A function that returns a new folder; hypothesis runs one test many times."""
    return lambda: tmp_path_factory.mktemp("embeddings")


def test_nothing_is_found_in_a_new_cache(tmp_path):
    """
    Its folder is created.
    """
    cache = EmbeddingCache(tmp_path / "not" / "there", FINGERPRINT)

    assert is_found(cache, ["a", "b"]) == [False, False]


@settings(max_examples=25)
@given(st.lists(st.text(max_size=20), min_size=1, unique=True), st.integers(1, 5))
def test_vectors_are_returned_bit_for_bit(folders, texts, size):
    """
    With any texts and shard size, in the same cache and in a later one.
    """
    root = folders()
    cache = EmbeddingCache(root, FINGERPRINT)
    for start in range(0, len(texts), size):
        add(cache, texts[start : start + size])

    assert all(is_found(cache, texts))
    assert all(is_found(EmbeddingCache(root, FINGERPRINT), texts))
    assert is_found(cache, ["a text of more than twenty characters"]) == [False]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 9), min_size=1)), max_size=12))
def test_several_writers_may_add_in_any_order(folders, turns):
    """
    Three caches add overlapping texts; a cache opened later finds all of them.
    """
    root = folders()
    writers = [EmbeddingCache(root, FINGERPRINT) for _ in range(3)]
    for writer, numbers in turns:
        add(writers[writer], [f"text {n}" for n in sorted(numbers)])

    known = set().union(*(numbers for _, numbers in turns)) if turns else set()
    found = is_found(EmbeddingCache(root, FINGERPRINT), [f"text {n}" for n in range(10)])
    assert found == [n in known for n in range(10)]


def test_two_vectors_of_one_text_never_mix(tmp_path):
    """
    Two caches add different vectors for the same texts; every later cache returns the same ones.
    """
    first, second = (EmbeddingCache(tmp_path, FINGERPRINT) for _ in range(2))
    add(first, ["a", "b"], salt=1)
    add(second, ["a", "b"], salt=2)

    keys = first.keys(["a", "b"])
    runs = [EmbeddingCache(tmp_path, FINGERPRINT).lookup(keys)[1] for _ in range(2)]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert any((runs[0] == vectors(["a", "b"], salt)).all() for salt in (1, 2))


def test_each_missing_text_is_returned_once(tmp_path):
    """
    By the index of its first occurrence, ascending.
    """
    cache = EmbeddingCache(
        tmp_path, EmbeddingFingerprint(name="encoder", revision="1", max_chars=3)
    )
    add(cache, ["b"])

    assert cache.missing(["c", "a", "b", "a", "c", "long", "longer"]) == [0, 1, 5]
    assert cache.missing([]) == []


def test_texts_with_the_same_embedded_characters_share_a_key(tmp_path):
    """
    The encoder embeds the first `max_chars` characters only.
    """
    cache = EmbeddingCache(
        tmp_path, EmbeddingFingerprint(name="encoder", revision="1", max_chars=3)
    )

    first, same, other = cache.keys(["abcdef", "abcxyz", "abxdef"])

    assert first == same != other


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"revision": "2"},
        {"max_chars": 1_000},
        {"normalised": False},
        {"backend": "onnx"},
    ],
)
def test_a_vector_with_another_fingerprint_is_never_returned(tmp_path, change):
    """
    Another model, version, cut, normalisation or backend has other keys and another folder.
    """
    add(EmbeddingCache(tmp_path, FINGERPRINT), ["a"])

    other = EmbeddingCache(tmp_path, FINGERPRINT.model_copy(update=change))

    assert is_found(other, ["a"]) == [False]
    assert other.keys(["a"]) != EmbeddingCache(tmp_path, FINGERPRINT).keys(["a"])


def test_an_unpinned_revision_has_no_fingerprint():
    """
    The weights behind a name on the hub can change, so their vectors must not be cached.
    """
    with pytest.raises(ValueError, match="revision"):
        EmbeddingFingerprint(name="owner/name", revision=None)


@settings(max_examples=25)
@given(st.data())
def test_a_damaged_byte_never_gives_a_wrong_vector(folders, data):
    """
    For any byte, a row is correct or is not found.
    """
    cache = EmbeddingCache(folders(), FINGERPRINT)
    add(cache, ["a", "b", "c"])
    (path,) = shards(cache)
    content = bytearray(path.read_bytes())
    offset = data.draw(st.integers(0, len(content) - 1))
    content[offset] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorruptShardWarning)
        is_found(EmbeddingCache(cache.folder.parent, FINGERPRINT), ["a", "b", "c"])


def test_a_damaged_vector_is_reported_and_can_be_added_again(tmp_path):
    """
    Other shards are not affected, and the new vector is found beside the damaged one.
    """
    cache = EmbeddingCache(tmp_path, FINGERPRINT)
    add(cache, ["a"])
    (path,) = shards(cache)
    add(cache, ["b"])
    content = path.read_bytes()
    path.write_bytes(content.replace(vectors(["a"]).tobytes(), vectors(["x"]).tobytes()))

    reopened = EmbeddingCache(tmp_path, FINGERPRINT)
    with pytest.warns(CorruptShardWarning, match=f"{path.name} is damaged.*delete it"):
        assert is_found(reopened, ["a", "b"]) == [False, True]
    add(reopened, ["a"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorruptShardWarning)
        assert is_found(EmbeddingCache(tmp_path, FINGERPRINT), ["a", "b"]) == [True, True]


@pytest.mark.parametrize(
    "content", [b"", b"ARROW1\0\0", b"not a shard at all" * 9], ids=["empty", "truncated", "other"]
)
def test_a_file_that_is_not_a_shard_is_ignored(tmp_path, content):
    """
    With a warning that names it; the rest of the cache works.
    """
    cache = EmbeddingCache(tmp_path, FINGERPRINT)
    add(cache, ["a"])
    (cache.folder / "0.arrow").write_bytes(content)

    with pytest.warns(CorruptShardWarning, match=r"0\.arrow is damaged"):
        reopened = EmbeddingCache(tmp_path, FINGERPRINT)
    assert is_found(reopened, ["a"]) == [True]


def test_an_unfinished_file_of_another_process_is_ignored(tmp_path):
    """
    It may be partial, or left by a killed process.
    """
    cache = EmbeddingCache(tmp_path, FINGERPRINT)
    (cache.folder / ".draft.1.arrow").write_bytes(b"half")

    assert is_found(EmbeddingCache(tmp_path, FINGERPRINT), ["a"]) == [False]


WRITER = """
import sys
from pathlib import Path
from tests.scope.embedding.test_embedding_cache import FINGERPRINT, EmbeddingCache, add
cache = EmbeddingCache(Path(sys.argv[1]), FINGERPRINT)
for n in range(10**6):
    add(cache, [f"text {8 * n + i}" for i in range(8)])
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_only_whole_shards(tmp_path):
    """
    After SIGKILL while writing, the vectors are correct and more can be added.
    """
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=Path.cwd())
    while len(list(tmp_path.glob("*/[!.]*.arrow"))) < 20:
        assert writer.poll() is None
        time.sleep(0.005)
    writer.send_signal(signal.SIGKILL)
    writer.wait()

    cache = EmbeddingCache(tmp_path, FINGERPRINT)
    n = len(shards(cache))
    texts = [f"text {i}" for i in range(8 * n + 8)]
    assert is_found(cache, texts) == [True] * 8 * n + [False] * 8
    add(cache, texts[-8:])
    assert all(is_found(EmbeddingCache(tmp_path, FINGERPRINT), texts))
