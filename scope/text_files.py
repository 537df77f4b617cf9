"""Read text files; the byte-order mark that many programs of Windows write is no part of them."""

import codecs
from io import TextIOWrapper
from pathlib import Path

_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order mark -> encoding that reads it; any other text is UTF-8, with or without one."""

UTF8_MARK = codecs.BOM_UTF8
"""What a UTF-8 file may begin with; for files that are read in bytes."""


def open_text(path: Path, newline: str | None = None) -> TextIOWrapper:
    """Open a text file for reading, without its byte-order mark.

    Parameters
    ----------
    path : Path
        May be a pipe: nothing is read twice.
    newline : str, optional
        As in `open`; ``""`` for CSV.

    Raises
    ------
    OSError
        If it cannot be opened. Reading raises `UnicodeDecodeError` where it is no text.
    """
    file = path.open("rb")
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
