import errno

import pytest

from scope.errors import FormatError, OutputWriteError
from scope.storage.files import atomic_file, atomic_folder, check_writable, read_json, write_json


def test_a_file_appears_whole(tmp_path):
    """
    Until the block ends the old content stands.
    """
    path = tmp_path / "a.txt"
    path.write_text("old")

    with atomic_file(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"


def test_a_file_that_fails_leaves_nothing(tmp_path):
    """
    Neither half a file nor its draft.
    """
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    """
    Even when it was to be replaced.
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
    Nothing of the old one survives in the new one, and no draft is left.
    """
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "stale").write_text("old")

    with atomic_folder(folder, replace=True) as draft:
        (draft / "x").write_text("new")

    assert [file.name for file in folder.iterdir()] == ["x"]
    assert list(tmp_path.iterdir()) == [folder]


def test_an_existing_folder_is_not_touched(tmp_path):
    """
    Unless replacing was asked for.
    """
    with pytest.raises(FileExistsError, match="choose another"), atomic_folder(tmp_path):
        pass


def test_json_goes_out_and_comes_back(tmp_path):
    """
    NaN is not JSON and is refused rather than written.
    """
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, None]})

    assert read_json(path) == {"a": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": [1, None]}


def test_broken_json_is_named_by_file_and_line(tmp_path):
    """
    The two things one needs to repair it.
    """
    path = tmp_path / "a.json"
    path.write_text('{\n"a": 1,\n}')

    with pytest.raises(FormatError, match=r"a\.json: line [23] is not JSON"):
        read_json(path)


@pytest.mark.parametrize("new", [atomic_file, atomic_folder, check_writable])
def test_a_place_nobody_can_write_is_named(tmp_path, new):
    """
    By the path a user knows, with the system's reason.
    """
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "out" / "a"

    with pytest.raises(OutputWriteError, match=r"out/a cannot be written: Not a directory; run"):
        entered = new(place)
        entered.__enter__()


@pytest.mark.parametrize("new", [atomic_file, atomic_folder])
def test_a_full_disk_is_told_of_once(tmp_path, new):
    """
    Whoever wrote, it names the file or folder that does not come to be; drafts are gone.
    """
    reason = r"^[^;]*/a cannot be written: No space left on device; run[^;]*$"

    with (
        pytest.raises(OutputWriteError, match=reason),
        new(tmp_path / "a") as draft,
        atomic_file(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, f"Error writing {draft}. Detail: [errno 28]")

    assert list(tmp_path.iterdir()) == []


def test_another_error_inside_is_not_taken_for_a_full_disk(tmp_path):
    """
    A file that is read while another is written speaks for itself.
    """
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_file(tmp_path / "a"):
        (tmp_path / "nowhere").read_text()


def test_looking_whether_a_folder_can_be_written_leaves_only_the_folder(tmp_path):
    """
    Made if it is not there.
    """
    check_writable(tmp_path / "out" / "deep")

    assert list((tmp_path / "out").rglob("*")) == [tmp_path / "out" / "deep"]
