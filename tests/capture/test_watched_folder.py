"""Pictures that something else puts into a folder."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.capture import open_camera
from station.capture.watched_folder import WatchedFolderCamera
from station.core.errors import CameraError, NoPartYetError
from tests.capture.files import write_picture

SETTLE_S = 0.1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def camera(folder: Path) -> Iterator[WatchedFolderCamera]:
    camera = WatchedFolderCamera(folder, settle_s=SETTLE_S, give_up_s=0.3)
    yield camera
    camera.close()


def _is_silent(camera: WatchedFolderCamera, for_s: float = 0.4) -> bool:
    try:
        camera.grab(for_s)
    except CameraError as error:
        return "no new picture" in str(error)
    return False


def test_that_what_is_there_at_open_is_left_alone(folder: Path, camera: WatchedFolderCamera) -> None:
    write_picture(folder / "old.png")
    camera.open()
    write_picture(folder / "new.png")
    assert camera.grab(2.0).name == "new.png"
    assert _is_silent(camera)


def test_that_pictures_come_in_the_order_of_their_arrival(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    for name in ("9.png", "10.png", "1.png"):
        write_picture(folder / name)
        time.sleep(0.03)
    assert [camera.grab(2.0).name for _ in range(3)] == ["9.png", "10.png", "1.png"]


def test_that_a_frame_keeps_the_files_own_bytes(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    data = write_picture(folder / "a.png")
    assert camera.grab(2.0).encoded == data


def test_that_a_file_still_being_written_waits_and_lets_others_pass(folder: Path, camera: WatchedFolderCamera) -> None:
    data = write_picture(folder.parent / "source.png")
    camera.open()
    with (folder / "slow.png").open("wb", buffering=0) as slow:
        slow.write(data[:40])
        write_picture(folder / "quick.png")
        assert camera.grab(2.0).name == "quick.png"
        slow.write(data[40:])
    assert camera.grab(2.0).encoded == data


def test_that_a_writer_may_pause_for_longer_than_a_file_has_to_stand_still(
    folder: Path, camera: WatchedFolderCamera
) -> None:
    data = write_picture(folder.parent / "source.png")
    camera.open()
    (folder / "slow.png").write_bytes(data[:40])
    assert _is_silent(camera, for_s=SETTLE_S + 0.15)
    (folder / "slow.png").write_bytes(data)
    assert camera.grab(2.0).encoded == data


def test_that_a_file_that_stays_unreadable_is_told_once(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    (folder / "bad.png").write_bytes(b"this is no picture")
    with pytest.raises(CameraError, match=r"bad\.png"):
        camera.grab(3.0)
    assert _is_silent(camera)
    write_picture(folder / "good.png")
    assert camera.grab(2.0).name == "good.png"


def test_that_an_empty_file_is_told_once_and_delivered_when_filled(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    (folder / "late.png").touch()
    with pytest.raises(CameraError, match=r"late\.png"):
        camera.grab(3.0)
    write_picture(folder / "late.png")
    assert camera.grab(2.0).name == "late.png"


def test_that_a_file_deleted_before_its_turn_is_left_out(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    write_picture(folder / "gone.png")
    assert _is_silent(camera, for_s=0.02)
    (folder / "gone.png").unlink()
    assert _is_silent(camera)


def test_that_a_file_renamed_before_its_turn_comes_under_its_new_name(
    folder: Path, camera: WatchedFolderCamera
) -> None:
    camera.open()
    write_picture(folder / "a.png")
    assert _is_silent(camera, for_s=0.02)
    (folder / "a.png").rename(folder / "b.png")
    assert camera.grab(2.0).name == "b.png"
    assert _is_silent(camera)


def test_that_a_picture_renamed_after_its_turn_does_not_come_again(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    write_picture(folder / "a.png")
    camera.grab(2.0)
    (folder / "a.png").rename(folder / "done.png")
    assert _is_silent(camera)


def test_that_a_file_written_anew_under_its_old_name_is_a_new_picture(
    folder: Path, camera: WatchedFolderCamera
) -> None:
    camera.open()
    for grey in (10, 90):
        write_picture(folder / "live.png", grey)
        assert camera.grab(2.0).pixels[0, 0, 0] == grey


def test_that_a_folder_that_vanishes_is_a_camera_error_until_it_is_back(
    folder: Path, camera: WatchedFolderCamera
) -> None:
    camera.open()
    shutil.rmtree(folder)
    with pytest.raises(CameraError, match="network drive"):
        camera.grab(0.1)
    folder.mkdir()
    write_picture(folder / "back.png")
    assert camera.grab(2.0).name == "back.png"


def test_that_a_missing_folder_is_refused_at_open(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="nowhere"):
        WatchedFolderCamera(tmp_path / "nowhere").open()


def test_that_what_came_while_it_was_closed_is_left_alone(folder: Path, camera: WatchedFolderCamera) -> None:
    camera.open()
    camera.close()
    write_picture(folder / "meanwhile.png")
    camera.open()
    assert _is_silent(camera)


def test_that_a_file_changed_before_its_turn_is_judged_as_it_is_then(folder: Path) -> None:
    camera = open_camera(f"watch:{folder}")
    camera.open()
    write_picture(folder / "current.png", 10)
    assert camera.grab(5.0).pixels[0, 0, 0] == 10
    for grey in (20, 30):
        write_picture(folder / "current.png", grey)
        time.sleep(0.5)  # longer than a file takes to settle: whoever fetched ahead would have it by now
    assert camera.grab(5.0).pixels[0, 0, 0] == 30
    write_picture(folder / "current.png", 40)
    time.sleep(0.5)
    (folder / "current.png").unlink()
    with pytest.raises(NoPartYetError):
        camera.grab(0.1)
    camera.close()
