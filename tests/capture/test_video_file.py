"""Video files: every picture, in order."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from station.capture.video_file import VideoFileCamera
from station.core.errors import CameraError, CameraExhaustedError
from tests.capture.fake_capture import FakeCapture, FakeDevice
from tests.capture.files import VIDEO_PICTURES, write_video


def test_that_every_picture_comes_in_order_however_slowly_it_is_asked(tmp_path: Path) -> None:
    camera = VideoFileCamera(write_video(tmp_path / "line.avi"))
    camera.open()
    try:
        time.sleep(0.2)
        frames = []
        with pytest.raises(CameraExhaustedError, match=f"all {VIDEO_PICTURES} pictures"):
            while True:
                frames.append(camera.grab(2.0))
                time.sleep(0.01)
        with pytest.raises(CameraExhaustedError):
            camera.grab(0.1)
    finally:
        camera.close()
    red = [int(frame.pixels[10, 10, 0]) for frame in frames]
    assert len(frames) == VIDEO_PICTURES
    assert red == sorted(red)
    assert red[-1] > red[0] + 80
    assert frames[0].name == "line-000001"


def test_that_the_pictures_are_rgb(tmp_path: Path) -> None:
    camera = VideoFileCamera(write_video(tmp_path / "line.avi"))
    camera.open()
    try:
        pixels = camera.grab(2.0).pixels
    finally:
        camera.close()
    assert pixels[24, 10, 0] > 40 > pixels[24, 10, 2]
    assert pixels[24, 54, 2] > 40 > pixels[24, 54, 0]


def test_that_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="none"):
        VideoFileCamera(tmp_path / "none.avi").open()


def test_that_a_file_that_is_no_video_is_a_camera_error_and_no_end(tmp_path: Path) -> None:
    path = tmp_path / "text.avi"
    path.write_text("no video")
    camera = VideoFileCamera(path)
    camera.open()
    try:
        with pytest.raises(CameraError, match=r"text\.avi") as failure:
            camera.grab(2.0)
        assert not isinstance(failure.value, CameraExhaustedError)
    finally:
        camera.close()


def test_that_a_hanging_drive_ends_in_a_time_out_and_close_is_bounded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "line.avi")
    device = FakeDevice()
    device.hang()
    camera = VideoFileCamera(path, lambda _: device.open())
    camera.open()
    started = time.monotonic()
    with pytest.raises(CameraError, match="network drive"):
        camera.grab(0.2)
    camera.close()
    assert time.monotonic() - started < 2.0
    device.let_go()


def test_that_close_ends_a_reader_that_nobody_asks(tmp_path: Path) -> None:
    camera = VideoFileCamera(write_video(tmp_path / "line.avi"))
    camera.open()
    time.sleep(0.1)
    camera.close()
    assert not any(thread.name == "video reader" for thread in threading.enumerate())


def test_that_a_damaged_video_ends_where_it_breaks(tmp_path: Path) -> None:
    class Breaking(FakeCapture):
        def read(self) -> tuple[bool, NDArray[Any] | None]:
            is_good, pixels = super().read()
            return (is_good, pixels) if pixels is not None and pixels[0, 0, 0] < 3 else (False, None)

    camera = VideoFileCamera(write_video(tmp_path / "line.avi"), lambda _: Breaking(FakeDevice()))
    camera.open()
    try:
        camera.grab(2.0)
        camera.grab(2.0)
        with pytest.raises(CameraExhaustedError):
            camera.grab(2.0)
    finally:
        camera.close()
