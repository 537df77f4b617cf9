import errno

import pytest

from scope.errors import FormatError, OutputWriteError
from scope.storage.files import atomic_file, atomic_folder, check_writable, read_json, write_json


def test_a_file_appears_whole(tmp_path):
    """
    The old content stays until the block ends.
    """
    path = tmp_path / "a.txt"
    path.write_text("old")

    with atomic_file(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"


def test_a_file_that_fails_leaves_nothing(tmp_path):
    """
    Neither a partial file nor the temporary one.
    """
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    """
    Also with `replace`.
    """
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "x").write_text("old")

    with pytest.raises(RuntimeError), atomic_folder(folder, replace=True) as draft:
        (draft / "x").write_text("new")
        raise RuntimeError

    assert (folder / "x").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_is_replaced_whole(tmp_path):
    """
    No old file is in the new folder, and no temporary folder is left.
    """
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "stale").write_text("old")

    with atomic_folder(folder, replace=True) as draft:
        (draft / "x").write_text("new")

    assert [file.name for file in folder.iterdir()] == ["x"]
    assert list(tmp_path.iterdir()) == [folder]


def test_an_existing_folder_is_not_replaced_by_default(tmp_path):
    """
    The message says what to do.
    """
    with pytest.raises(FileExistsError, match="choose another"), atomic_folder(tmp_path):
        pass


def test_json_round_trip(tmp_path):
    """
    NaN is not JSON and raises an error; the old file stays.
    """
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, None]})

    assert read_json(path) == {"a": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": [1, None]}


def test_invalid_json_is_reported_with_file_and_line(tmp_path):
    """
    A trailing comma is an error.
    """
    path = tmp_path / "a.json"
    path.write_text('{\n"a": 1,\n}')

    with pytest.raises(FormatError, match=r"a\.json: line [23] is not JSON"):
        read_json(path)


@pytest.mark.parametrize("write", [atomic_file, atomic_folder, check_writable])
def test_an_unwritable_path_is_reported(tmp_path, write):
    """
    The message has the path of the caller and the reason of the system.
    """
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "out" / "a"

    with pytest.raises(OutputWriteError, match=r"out/a cannot be written: Not a directory; run"):
        context = write(path)
        context.__enter__()


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_full_disk_is_reported_once(tmp_path, write):
    """
    The message names the final file or folder, not the temporary one, which is removed.
    """
    reason = r"^[^;]*/a cannot be written: No space left on device; run[^;]*$"

    with (
        pytest.raises(OutputWriteError, match=reason),
        write(tmp_path / "a") as draft,
        atomic_file(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, f"Error writing {draft}. Detail: [errno 28]")

    assert list(tmp_path.iterdir()) == []


def test_another_error_in_the_block_is_passed_on(tmp_path):
    """
    An error on reading another file is not an `OutputWriteError`.
    """
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_file(tmp_path / "a"):
        (tmp_path / "nowhere").read_text()


def test_check_writable_creates_the_folder_and_nothing_else(tmp_path):
    """
    Parents are created, too.
    """
    check_writable(tmp_path / "out" / "deep")

    assert list((tmp_path / "out").rglob("*")) == [tmp_path / "out" / "deep"]
