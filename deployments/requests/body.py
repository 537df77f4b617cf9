"""Read the body of a request, compressed or not, within a limit."""

import zlib
from collections.abc import AsyncIterable

from deployments.protocol import ContentEncodingError, PayloadTooLargeError, RequestError

ENCODINGS = ("gzip", "deflate")
"""Content encodings that are read."""

ANY_HEADER = 32 + zlib.MAX_WBITS
"""Tells zlib to recognise gzip and zlib by their headers."""


async def read_body(
    chunks: AsyncIterable[bytes], max_bytes: int, encoding: str | None = None
) -> bytes:
    """Return all chunks as one, unpacked, and never hold much more than the limit.

    Parameters
    ----------
    chunks : async iterable of bytes
    max_bytes : int
        Limit of the body as it is sent, and of what it unpacks to.
    encoding : str, optional
        Header ``Content-Encoding``.

    Raises
    ------
    PayloadTooLargeError
        As soon as there are more than `max_bytes`.
    ContentEncodingError
        If the encoding is none of `ENCODINGS`.
    RequestError
        If the body is not in that encoding.
    """
    unpacker = _unpacker(encoding)
    body, n_sent = bytearray(), 0
    async for chunk in chunks:
        n_sent += len(chunk)
        # One byte over the limit is enough to refuse what would unpack to gigabytes.
        body += unpacker.unpack(chunk, max_bytes + 1 - len(body)) if unpacker else chunk
        if max(len(body), n_sent) > max_bytes:
            unpacked = " when it is unpacked" if n_sent <= max_bytes else ""
            raise PayloadTooLargeError(
                f"body: more than {max_bytes} bytes{unpacked}; at most that many are allowed"
            )
    if unpacker:
        unpacker.check_end()
    return bytes(body)


class Unpacker:
    """Unpacks one body in gzip or zlib format."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream = zlib.decompressobj(ANY_HEADER)

    def unpack(self, chunk: bytes, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of what a chunk unpacks to.

        Raises
        ------
        RequestError
            If the chunk is not in the encoding.
        """
        if not chunk:
            return b""
        try:
            if not self._stream.eof:
                unpacked = self._stream.decompress(chunk, max_bytes)
                if not self._stream.unused_data:
                    return unpacked
            reason = "more follows after its end"
        except zlib.error as error:
            reason = str(error)
        raise self._error(reason)

    def check_end(self) -> None:
        """Raise `RequestError` if the body is not complete."""
        if not self._stream.eof:
            raise self._error("its end is missing")

    def _error(self, reason: str) -> RequestError:
        return RequestError(
            f"body: the header Content-Encoding says {self._encoding}, and it is not: {reason}"
        )


def _unpacker(encoding: str | None) -> Unpacker | None:
    name = (encoding or "identity").strip().lower().removeprefix("x-")
    if name == "identity":
        return None
    if name not in ENCODINGS:
        raise ContentEncodingError(
            f"Content-Encoding: {encoding!r:.40} is not read here; "
            f"expected {', '.join(ENCODINGS)} or identity"
        )
    return Unpacker(name)
