import asyncio
import gzip
import zlib

import pytest

from deployments.protocol import ContentEncodingError, PayloadTooLargeError, RequestError
from deployments.requests.body import read_body

TEXT = b'{"prompt": "' + 50 * b"2+2? " + b'"}'


def read(body, limit=1_000, encoding=None, size=7):
    """Read a body that arrives in chunks of `size` bytes."""

    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_body(chunks(), limit, encoding))


def test_a_body_over_the_limit_is_not_read_to_its_end():
    """
    Reading stops at the limit, whatever length the client announced.
    """
    sent = 0

    async def chunks():
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 10

    with pytest.raises(PayloadTooLargeError, match="more than 25 bytes; at most"):
        asyncio.run(read_body(chunks(), 25))

    assert sent == 3


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        pytest.param(None, bytes, id="no header"),
        pytest.param("identity", bytes, id="identity"),
        pytest.param("gzip", gzip.compress, id="gzip"),
        pytest.param("X-GZIP", gzip.compress, id="its old name"),
        pytest.param("deflate", zlib.compress, id="deflate"),
    ],
)
def test_a_body_is_unpacked(encoding, pack):
    """
    However its chunks are cut.
    """
    for size in (1, 7, 1_000):
        assert read(pack(TEXT), encoding=encoding, size=size) == TEXT


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_what_unpacks_to_more_than_the_limit_is_refused(size):
    """
    100 kB of gzip would become 100 MB here: the limit holds for what they unpack to, too.
    """
    bomb = gzip.compress(bytes(10**8))

    with pytest.raises(PayloadTooLargeError, match="200000 bytes when it is unpacked; at most"):
        read(bomb, 200_000, "gzip", size)


def test_a_body_that_unpacks_to_the_limit_is_read():
    """
    Its last byte is the last one that is allowed.
    """
    assert len(read(gzip.compress(bytes(1_000)), 1_000, "gzip")) == 1_000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(TEXT, "incorrect header", id="plain"),
        pytest.param(b"", "its end is missing", id="nothing"),
        pytest.param(gzip.compress(TEXT)[:-3], "its end is missing", id="cut off"),
        pytest.param(gzip.compress(TEXT) + b"more", "more follows", id="more after it"),
        pytest.param(2 * gzip.compress(TEXT), "more follows", id="twice"),
    ],
)
def test_a_body_that_is_not_in_its_encoding_is_refused(body, reason):
    """
    The sentence names the header.
    """
    for size in (7, 1_000):
        with pytest.raises(RequestError, match=f"body: .*Content-Encoding says gzip.*{reason}"):
            read(body, 1_000, "gzip", size)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 1_000])
def test_an_unknown_encoding_is_refused_with_those_that_are_read(encoding):
    """
    The text of the header is cut.
    """
    with pytest.raises(ContentEncodingError, match="expected gzip, deflate or identity") as error:
        read(b"x", encoding=encoding)

    assert len(str(error.value)) < 150
