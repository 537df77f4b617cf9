"""How a text file is read."""

import codecs
import os
import threading

import pytest

from scope.text_files import open_text, read_text

FORMS = [
    pytest.param(b"", "utf-8", id="no mark"),
    pytest.param(codecs.BOM_UTF8, "utf-8", id="UTF-8"),
    pytest.param(codecs.BOM_UTF16_LE, "utf-16-le", id="UTF-16, as PowerShell writes it"),
    pytest.param(codecs.BOM_UTF16_BE, "utf-16-be", id="UTF-16, the other order"),
    pytest.param(codecs.BOM_UTF32_LE, "utf-32-le", id="UTF-32"),
    pytest.param(codecs.BOM_UTF32_BE, "utf-32-be", id="UTF-32, the other order"),
]


@pytest.mark.parametrize(("mark", "encoding"), FORMS)
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, mark, encoding):
    """
    It says how the text is encoded, and line ends of Windows become line feeds.
    """
    path = tmp_path / "text"
    path.write_bytes(mark + "é\r\nb".encode(encoding))

    assert read_text(path) == "é\nb"


def test_a_mark_further_on_is_text(tmp_path):
    """
    Only the first character of a file can be a mark.
    """
    path = tmp_path / "text"
    path.write_text("a\ufeff", encoding="utf-8")

    assert read_text(path) == "a\ufeff"


def test_what_is_no_text_is_an_error(tmp_path):
    """
    Readers report it with the name of the file.
    """
    path = tmp_path / "text"
    path.write_bytes(b"\xff\x00\xff")

    with pytest.raises(UnicodeDecodeError):
        read_text(path)


def test_a_pipe_is_read_once(tmp_path):
    """
    ``--prices <(curl …)`` is a pipe: what was looked at for a mark cannot be read again.
    """
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(codecs.BOM_UTF8 + b"a\nb\n",))
    writer.start()

    with open_text(path) as lines:
        assert list(lines) == ["a\n", "b\n"]
    writer.join()
