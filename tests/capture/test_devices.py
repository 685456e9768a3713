"""Which USB cameras there are."""

import sys
import time
from pathlib import Path

import pytest

from station.capture import CameraDevice, list_cameras


def _node(folder: Path, number: int, name: str, index: str = "0") -> None:
    (folder / "dev").mkdir(exist_ok=True)
    (folder / "dev" / f"video{number}").touch()
    node = folder / "class" / f"video{number}"
    node.mkdir(parents=True)
    (node / "name").write_text(f"{name}\n")
    (node / "index").write_text(f"{index}\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux lists its cameras in a way of its own")
def test_that_cameras_are_told_with_their_names_and_without_their_metadata_nodes(tmp_path: Path) -> None:
    _node(tmp_path, 10, "Microscope")
    _node(tmp_path, 0, "HD Webcam")
    _node(tmp_path, 1, "HD Webcam", index="1")
    (tmp_path / "dev" / "video2").touch()
    (tmp_path / "dev" / "videos").touch()
    assert list_cameras(tmp_path / "dev", tmp_path / "class") == (
        CameraDevice(0, "HD Webcam"),
        CameraDevice(2, ""),
        CameraDevice(10, "Microscope"),
    )


def test_that_looking_for_cameras_is_quick_where_there_is_none() -> None:
    started = time.monotonic()
    assert isinstance(list_cameras(), tuple)
    assert time.monotonic() - started < 8
