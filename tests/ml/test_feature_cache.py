import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml import feature_cache
from ml.feature_cache import FeatureCache, cache_folder, key_of, to_half
from ml.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(
    geometry="whole",
    input_height=64,
    input_width=64,
    window_low=0,
    window_high=255,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)


def _key(name: str = "picture") -> str:
    return key_of(name, PREPROCESSING, "network")


def _features(seed: int = 0, cells: int = 8) -> NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=(1, 5, cells, cells)).astype(np.float16)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_that_what_was_put_is_found_again_also_by_another_process(tmp_path: Path) -> None:
    FeatureCache(tmp_path).put(_key(), _features())
    found = FeatureCache(tmp_path).get(_key())
    assert found is not None
    assert found.dtype == np.float16
    assert np.array_equal(found, _features())
    assert FeatureCache(tmp_path).get(_key("another")) is None


def test_that_picture_preprocessing_and_network_each_have_features_of_their_own() -> None:
    other = PREPROCESSING.model_copy(update={"window_high": 1023.0})
    keys = {_key(), _key("other"), key_of("picture", other, "network"), key_of("picture", PREPROCESSING, "other")}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)


@pytest.mark.parametrize("damage", [b"", b"short", "cut", "flipped", "foreign"])
def test_that_a_damaged_or_foreign_entry_is_computed_again(tmp_path: Path, damage: bytes | str) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(_key(), _features())
    cache.put(_key("other"), _features(1))
    path = next(path for path in _files(tmp_path) if path.stem == _key())
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[:-7]
    elif damage == "flipped":
        data[-3] ^= 1
    elif damage == "foreign":  # whole, but of another picture
        data = bytearray(next(path for path in _files(tmp_path) if path.stem == _key("other")).read_bytes())
    else:
        data = bytearray(damage)
    path.write_bytes(data)
    assert cache.get(_key()) is None
    assert not path.exists()
    cache.put(_key(), _features())
    assert cache.get(_key()) is not None


def test_that_the_entries_not_used_for_longest_make_room(tmp_path: Path) -> None:
    one = len(feature_cache._encoded(_key(), _features()))
    cache = FeatureCache(tmp_path, capacity_bytes=4 * one)
    for index in range(4):
        cache.put(_key(str(index)), _features())
        path = next(path for path in _files(tmp_path) if path.stem == _key(str(index)))
        os.utime(path, (1000 + index, 1000 + index))
    assert cache.get(_key("0")) is not None  # used now
    cache.put(_key("4"), _features())
    kept = {index for index in range(5) if cache.get(_key(str(index))) is not None}
    assert kept == {0, 3, 4}
    assert sum(path.stat().st_size for path in _files(tmp_path)) <= 4 * one


def test_that_an_entry_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, capacity_bytes=100)
    cache.put(_key(), _features())
    assert cache.get(_key()) is None
    assert not _files(tmp_path)


def test_that_a_disk_that_fills_up_leaves_no_rubbish_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    cache = FeatureCache(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        cache.put(_key(), _features())
    assert cache.get(_key()) is None
    assert not _files(tmp_path)


def test_that_room_is_left_for_the_inspections_own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "LEFT_FREE_BYTES", 2**62)
    FeatureCache(tmp_path).put(_key(), _features())
    assert not _files(tmp_path)


def test_that_a_folder_that_cannot_be_made_is_worked_without(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    cache = FeatureCache(file / "features")
    cache.put(_key(), _features())
    assert cache.get(_key()) is None


def test_that_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(_key(), _features())
    folder = _files(tmp_path)[0].parent
    old, fresh = folder / "old.tmp", folder / "fresh.tmp"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    FeatureCache(tmp_path).put(_key("other"), _features())
    assert not old.exists()
    assert fresh.exists()  # another process may be writing it


def test_that_features_beyond_half_precision_stay_numbers() -> None:
    halved = to_half(np.array([1e6, -1e6, 0.5], np.float32))
    assert halved.tolist() == [65504.0, -65504.0, 0.5]


def test_that_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    FeatureCache().put(_key(), _features())
    assert [path.relative_to(tmp_path).parts[0] for path in _files(tmp_path)] == ["features"]
    monkeypatch.delenv("LOUPE_CACHE")
    assert cache_folder() != tmp_path
