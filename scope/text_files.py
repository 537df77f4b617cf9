"""Read text files; the byte-order mark that many programs of Windows write is no part of them."""

import codecs
import zlib
from gzip import BadGzipFile, GzipFile
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order mark -> encoding that reads it; any other text is UTF-8, with or without one."""

UTF8_MARK = codecs.BOM_UTF8
"""What a UTF-8 file may begin with; for files that are read in bytes."""


GZIP = ".gz"
"""Last suffix of a compressed file, as of ``questions.jsonl.gz``."""


class _Unpacked(RawIOBase):
    """What a gzip file holds; all damage to it is an `OSError`, as of other files."""

    def __init__(self, file: GzipFile) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        try:
            data = self._file.read(len(view))
        except (EOFError, zlib.error) as error:
            raise BadGzipFile(f"damaged gzip file: {error}") from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_bytes(path: Path) -> BufferedReader:
    """Open a file for reading; a compressed one is unpacked.

    Raises
    ------
    OSError
        If it cannot be opened, or, when it is read, is damaged.
    """
    if path.suffix.lower() != GZIP:
        return path.open("rb")
    return BufferedReader(_Unpacked(GzipFile(path)))


def open_text(path: Path, newline: str | None = None) -> TextIOWrapper:
    """Open a text file, compressed or not, for reading, without its byte-order mark.

    Parameters
    ----------
    path : Path
        May be a pipe: nothing is read twice.
    newline : str, optional
        As in `open`; ``""`` for CSV.

    Raises
    ------
    OSError
        As `open_bytes` does. Reading raises `UnicodeDecodeError` where it is no text.
    """
    file = open_bytes(path)
    try:
        start = file.peek(4)
    except BaseException:
        file.close()
        raise
    found = (name for mark, name in _ENCODINGS.items() if start.startswith(mark))
    return TextIOWrapper(file, encoding=next(found, "utf-8-sig"), newline=newline)


def read_text(path: Path) -> str:
    """Return the content of a text file; its lines end with a line feed.

    Raises
    ------
    OSError, UnicodeDecodeError
        If it cannot be read, or is no text.
    """
    with open_text(path) as file:
        return file.read()
