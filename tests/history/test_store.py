"""The content-addressed folder."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from station.core.errors import StorageError
from station.history import PictureStore
from station.history.store import place_all
from tests.history.parts import score_map


def test_that_content_lies_under_its_own_hash(store: PictureStore) -> None:
    digest = store.put(b"a picture", ".PNG")
    assert digest == hashlib.sha256(b"a picture").hexdigest()
    assert store.path(digest) == store.folder / digest[:2] / digest[2:4] / f"{digest}.png"
    assert store.path(digest).read_bytes() == b"a picture"


def test_that_the_same_content_is_written_once(store: PictureStore) -> None:
    digest = store.put(b"a picture", ".png")
    before = store.path(digest).stat()
    assert store.put(b"a picture", ".jpg") == digest
    assert store.path(digest).stat().st_ino == before.st_ino
    assert not list((store.folder / "incoming").iterdir())


def test_that_a_file_cut_short_by_a_failing_disk_is_written_anew(store: PictureStore) -> None:
    digest = store.put(b"a picture", ".png")
    store.path(digest).write_bytes(b"a pic")
    store.put(b"a picture", ".png")
    assert store.path(digest).read_bytes() == b"a picture"


def test_that_staged_content_is_invisible_until_it_is_placed(store: PictureStore) -> None:
    staged = store.stage(b"a picture", ".png")
    with pytest.raises(StorageError, match="missing"):
        store.path(staged.hash)
    staged.place()
    assert store.path(staged.hash).read_bytes() == b"a picture"


def test_that_everything_is_flushed_before_it_counts_as_stored(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        sync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        order.append("rename")
        return rename(path, target)

    store.put(b"makes the folders", ".png")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    store.put(b"another picture", ".png")
    assert [act for act, before in zip(order, [None, *order], strict=False) if act != before] == [
        "file",
        "folder",  # the new shard's entries
        "rename",
        "folder",
    ]


def test_that_all_have_their_names_before_a_folder_is_flushed(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = [store.stage(data, ".png") for data in (b"a picture", b"its map")]
    named: list[bool] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        named.append(all(content.final.exists() for content in staged))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with ThreadPoolExecutor(2) as threads:
        place_all(staged, threads)
    assert named == [True, True]


def test_that_a_missing_picture_is_named(store: PictureStore) -> None:
    with pytest.raises(StorageError, match="ab" * 32):
        store.path("ab" * 32)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "ab" * 31 + "*/"])
def test_that_only_hashes_name_pictures(store: PictureStore, name: str) -> None:
    with pytest.raises(StorageError, match="not the name"):
        store.path(name)


def test_that_a_map_comes_back_as_it_was_stored(store: PictureStore) -> None:
    original = score_map()
    restored = store.read_map(store.stage_map(original).place())
    np.testing.assert_allclose(restored.cells, original.cells, atol=1e-3)
    assert (restored.picture_height, restored.picture_width) == (48, 64)


@pytest.mark.parametrize("damage", [b"", b"not a map"])
def test_that_a_damaged_map_is_a_storage_error(store: PictureStore, damage: bytes) -> None:
    digest = store.stage_map(score_map()).place()
    store.path(digest).write_bytes(damage)
    with pytest.raises(StorageError, match="changed after it was written"):
        store.read_map(digest)


def test_that_content_that_is_no_map_is_a_storage_error(store: PictureStore) -> None:
    with pytest.raises(StorageError, match="map is damaged"):
        store.read_map(store.put(b"a picture", ".png"))


def test_that_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="could not be stored"):
        PictureStore(tmp_path / "pictures").put(b"a picture", ".png")


def test_that_only_old_leftovers_are_discarded(store: PictureStore) -> None:
    abandoned, in_use = store.stage(b"of yesterday", ".png"), store.stage(b"of now", ".png")
    assert abandoned.temporary and in_use.temporary
    os.utime(abandoned.temporary, (0, 0))
    store.discard_abandoned()
    assert not abandoned.temporary.exists()
    assert in_use.temporary.exists()
