"""Write files and folders atomically."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from scope.errors import FormatError, OutputWriteError
from scope.json_text import parse_json
from scope.text_files import read_text

UNWRITABLE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that only a write can raise: disk full, over quota, file too large, read-only."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it replaces `path` only if the block succeeds.

    The temporary file is in the folder of `path`, so that the final rename is atomic, and has
    the same suffix, from which some writers infer the format.

    Raises
    ------
    OutputWriteError
        If `path` cannot be written, before the block or in it.
    """
    # A process id would not be unique among machines that share the disk.
    draft = path.with_name(f".{path.stem}.{uuid4().hex}{path.suffix}")
    with _translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
    try:
        with _translate_os_errors(path, *UNWRITABLE_ERRNOS):
            yield draft
        with _translate_os_errors(path):
            _fsync(draft)
            draft.replace(path)
    finally:
        with suppress(OSError):  # do not hide the first error
            draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder to fill; it becomes `path` only if the block succeeds.

    Raises
    ------
    FileExistsError
        If `path` exists and `replace` is not set; nothing is written.
    OutputWriteError
        If `path` cannot be written, before the block or in it.
    """
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists; choose another folder or remove it first")
    with _translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with _translate_os_errors(path, *UNWRITABLE_ERRNOS):
            yield draft
        with _translate_os_errors(path):
            _swap_in(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a second name of the file `source`; a copy where the disk has no such links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy(source, target)


def check_writable(folder: Path) -> None:
    """Create `folder` if it does not exist, and raise `OutputWriteError` if it is not writable."""
    with _translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"?")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically; NaN raises `ValueError`, unknown is null."""
    with atomic_file(path) as draft:
        draft.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return the content of a JSON file.

    Raises
    ------
    FormatError
        If the file cannot be read or is not strict JSON, as `parse_json` says.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error
    return parse_json(text, str(path))


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _translate_os_errors(path: Path, *numbers: int) -> Iterator[None]:
    """Turn an `OSError` into an `OutputWriteError` for `path`; only `numbers` if any are given."""
    try:
        yield
    except OutputWriteError:  # raised by a file inside a folder
        raise
    except OSError as error:
        if numbers and error.errno not in numbers:
            raise
        raise OutputWriteError.from_os_error(error, path) from error


def _swap_in(draft: Path, path: Path) -> None:
    """Rename a filled folder to `path`, replacing an existing one."""
    for file in draft.iterdir():
        _fsync(file)
    draft.chmod(0o755)
    if path.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
        path.rename(retired / path.name)
        draft.rename(path)
        shutil.rmtree(retired)
    else:
        draft.rename(path)


def _fsync(path: Path) -> None:
    """Flush a file to disk, so that the rename cannot become durable before its content."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def stream_json_array(path: Path, opening: str, closing: str) -> Iterator[Callable[[object], None]]:
    """Yield a function that appends one value to a JSON list in `path`.

    Values are written as they come and not kept in memory. `opening` and `closing` are the
    text around the list.
    """
    with path.open("w", encoding="utf-8") as file:
        file.write(opening)
        separator = "\n"

        def append(value: object) -> None:
            nonlocal separator
            file.write(separator + json.dumps(value, allow_nan=False))
            separator = ",\n"

        yield append
        file.write("\n" + closing + "\n")


WEIGHT_FILE_PATTERNS = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")


def folder_digest(folder: Path, patterns: Sequence[str] = WEIGHT_FILE_PATTERNS) -> str:
    """Return a digest of 16 hexadecimal digits of names and content of files in `folder`."""
    files = sorted({file for pattern in patterns for file in folder.rglob(pattern)})
    listing = "\n".join(f"{file.relative_to(folder)} {sha256(file)}" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
