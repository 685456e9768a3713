"""Pictures of a folder, in order."""

from pathlib import Path

import numpy as np
import pytest

from ml.generation.marking import Mark, encode_marked
from station.capture.folder import FolderCamera
from station.core.errors import CameraError, CameraExhaustedError
from station.core.frame import Frame
from tests.capture.files import write_picture


def _all(camera: FolderCamera) -> list[Frame]:
    camera.open()
    frames = []
    try:
        while True:
            frames.append(camera.grab(1.0))
    except CameraExhaustedError:
        return frames


def test_that_pictures_come_in_natural_order_and_then_end(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_picture(tmp_path / f"part{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert [frame.name for frame in _all(FolderCamera(tmp_path))] == ["part1.png", "part2.png", "part10.png"]


def test_that_the_end_says_how_many_there_were(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    camera = FolderCamera(tmp_path)
    _all(camera)
    with pytest.raises(CameraExhaustedError, match="all 1 pictures"):
        camera.grab(1.0)


def test_that_a_frame_keeps_the_files_own_bytes_and_rgb_order(tmp_path: Path) -> None:
    data = write_picture(tmp_path / "a.png", 100)
    (frame,) = _all(FolderCamera(tmp_path))
    assert frame.encoded == data
    assert np.array_equal(frame.pixels[0, 0], [100, 20, 220])


def test_that_a_generated_picture_is_named_so_whatever_its_file_is_called(tmp_path: Path) -> None:
    (tmp_path / "part 1.png").write_bytes(encode_marked(np.zeros((40, 50), np.uint8), Mark(generator="appearance")))
    write_picture(tmp_path / "part 2.png")
    names = [frame.name for frame in _all(FolderCamera(tmp_path))]
    assert names == ["part 1.png (generated)", "part 2.png"]


def test_that_a_plain_folder_gives_no_truth(tmp_path: Path) -> None:
    write_picture(tmp_path / "good" / "a.png")
    (frame,) = _all(FolderCamera(tmp_path / "good"))
    assert (frame.given_truth, frame.defect_kind) == (None, None)


@pytest.mark.parametrize("chosen", ["", "test"])
def test_that_an_mvtec_layout_gives_truth_and_kind(tmp_path: Path, chosen: str) -> None:
    write_picture(tmp_path / "train" / "good" / "t.png")
    write_picture(tmp_path / "test" / "good" / "g.png")
    write_picture(tmp_path / "test" / "scratch" / "s.png")
    write_picture(tmp_path / "ground_truth" / "scratch" / "s_mask.png")
    frames = _all(FolderCamera(tmp_path / chosen))
    assert [(frame.name, frame.given_truth, frame.defect_kind) for frame in frames] == [
        ("g.png", "normal", None),
        ("s.png", "anomaly", "scratch"),
    ]


def test_that_a_plain_folder_called_test_is_just_a_folder(tmp_path: Path) -> None:
    write_picture(tmp_path / "test" / "a.png")
    (frame,) = _all(FolderCamera(tmp_path / "test"))
    assert frame.given_truth is None


def test_that_a_bad_file_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"not a picture")
    write_picture(tmp_path / "3.png")
    camera = FolderCamera(tmp_path)
    camera.open()
    camera.grab(1.0)
    with pytest.raises(CameraError, match=r"2\.png"):
        camera.grab(1.0)
    assert camera.grab(1.0).name == "3.png"


def test_that_a_file_deleted_meanwhile_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png")
    write_picture(tmp_path / "2.png")
    camera = FolderCamera(tmp_path)
    camera.open()
    (tmp_path / "1.png").unlink()
    with pytest.raises(CameraError, match=r"1\.png"):
        camera.grab(1.0)
    assert camera.grab(1.0).name == "2.png"


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_that_a_folder_without_pictures_is_refused_by_name(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "parts")
    with pytest.raises(CameraError, match="parts"):
        FolderCamera(tmp_path / "parts").open()


@pytest.mark.real_data
def test_that_a_real_labelled_folder_gives_its_test_pictures(data_folder: Path) -> None:
    camera = FolderCamera(data_folder / "leather_few")
    camera.open()
    frame = camera.grab(1.0)
    assert frame.given_truth == "normal"
    assert frame.pixels.shape == (512, 512, 3)
