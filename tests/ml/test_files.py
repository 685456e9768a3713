"""Files that belong together are written together."""

import errno
from pathlib import Path

import pytest

from ml.files import write_together

NEW = {"model.bin": b"new weights", "model.xml": b"new graph", "model.example.py": b"new program"}
OLD = {"model.bin": b"old weights", "model.xml": b"old graph"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two of the three files are there already."""
    for name, data in OLD.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_that_files_are_replaced_together(folder: Path) -> None:
    write_together(folder, NEW)
    assert contents(folder) == NEW


@pytest.mark.parametrize("fails", range(1, 4))
def test_that_a_full_disk_takes_nothing_of_the_old(folder: Path, fails: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def flush(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == fails:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", flush)
    with pytest.raises(OSError, match="No space"):
        write_together(folder, NEW)
    assert contents(folder) == OLD


@pytest.mark.parametrize("fails", range(1, 6))  # two files are moved aside, three put in place
@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "in use"), KeyboardInterrupt("stopped")], ids=repr)
def test_that_a_file_that_cannot_be_replaced_takes_nothing_of_the_old(
    folder: Path, fails: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed, replace = [], Path.replace

    def once_refused(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) == fails:
            raise error
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", once_refused)
    with pytest.raises(type(error)):
        write_together(folder, NEW)
    assert contents(folder) == OLD


def test_that_a_failure_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        write_together(tmp_path / "missing", NEW)
    assert not list(tmp_path.iterdir())
