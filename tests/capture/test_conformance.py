"""What the core asks of every camera; one suite over all of them."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from station.capture.ahead import AheadCamera
from station.capture.folder import FolderCamera
from station.capture.live import LiveCamera
from station.capture.simulated import SimulatedCamera
from station.capture.video_file import VideoFileCamera
from station.capture.watched_folder import WatchedFolderCamera
from station.core.errors import CameraError
from station.core.frame import Frame
from station.core.ports import Camera
from tests.capture.fake_capture import FakeDevice
from tests.capture.files import write_picture, write_video


class _Arrivals:
    """Puts a picture into a watched folder every few hundredths of a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._ends.wait(0.03):
            number += 1
            write_picture(self._folder / f"part{number}.png", number % 200)

    def end(self) -> None:
        self._ends.set()
        self._thread.join()


def _folder(path: Path) -> Camera:
    for number in range(8):
        write_picture(path / f"part{number}.png")
    return FolderCamera(path)


SOURCES: dict[str, Callable[[Path], Camera]] = {
    "simulated": lambda path: SimulatedCamera(seed=3, size_px=160),
    "folder": _folder,
    "watched folder": lambda path: WatchedFolderCamera(path, settle_s=0.05),
    "live": lambda path: LiveCamera("camera:0", FakeDevice().open),
    "simulated ahead": lambda path: AheadCamera(SimulatedCamera(seed=3, size_px=160)),
    "folder ahead": lambda path: AheadCamera(_folder(path)),
    "video": lambda path: VideoFileCamera(write_video(path / "parts.avi")),
}


@pytest.fixture(params=list(SOURCES))
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Camera]:
    """A camera that has not been opened, with enough to show."""
    source = SOURCES[request.param](tmp_path)
    arrivals = _Arrivals(tmp_path) if request.param == "watched folder" else None
    yield source
    source.close()
    if arrivals is not None:
        arrivals.end()


def _grabbed(camera: Camera, count: int) -> list[Frame]:
    return [camera.grab(5.0) for _ in range(count)]


def test_that_a_frame_is_read_only_grey_or_rgb_of_8_or_16_bits(camera: Camera) -> None:
    camera.open()
    for frame in _grabbed(camera, 3):
        assert frame.pixels.dtype in (np.uint8, np.uint16)
        assert frame.pixels.ndim == 2 or frame.pixels.shape[2:] == (3,)
        assert (frame.height_px, frame.width_px) == frame.pixels.shape[:2]
        assert frame.bit_depth <= frame.pixels.dtype.itemsize * 8
        assert not frame.pixels.flags.writeable


def test_that_frames_have_ids_of_their_own_and_utc_times_in_order(camera: Camera) -> None:
    before = datetime.now(UTC)
    camera.open()
    frames = _grabbed(camera, 3)
    times = [frame.captured_at for frame in frames]
    assert len({frame.id for frame in frames}) == 3
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= datetime.now(UTC)


def test_that_frames_name_their_source(camera: Camera) -> None:
    camera.open()
    assert camera.grab(5.0).source == camera.name
    assert camera.name


def test_that_grab_before_open_is_a_camera_error(camera: Camera) -> None:
    with pytest.raises(CameraError):
        camera.grab(0.1)


def test_that_grab_after_close_is_a_camera_error(camera: Camera) -> None:
    camera.open()
    camera.close()
    with pytest.raises(CameraError):
        camera.grab(0.1)


def test_that_close_may_come_twice_and_before_open(camera: Camera) -> None:
    camera.close()
    camera.open()
    camera.close()
    camera.close()


def test_that_a_closed_camera_opens_again(camera: Camera) -> None:
    for _ in range(2):
        camera.open()
        assert camera.grab(5.0).pixels.size > 0
        camera.close()


def test_that_a_trigger_may_come_from_another_thread_at_any_time(camera: Camera) -> None:
    camera.trigger()
    camera.open()
    for _ in range(3):
        thread = threading.Thread(target=camera.trigger)
        thread.start()
        assert camera.grab(5.0).pixels.size > 0
        thread.join()
    camera.close()
    camera.trigger()


def test_that_grab_ends_soon_after_its_time_out_whatever_happens(camera: Camera) -> None:
    camera.open()
    started = time.monotonic()
    for _ in range(30):
        try:
            camera.grab(0.02)
        except CameraError:
            break
    assert time.monotonic() - started < 30 * 0.5
