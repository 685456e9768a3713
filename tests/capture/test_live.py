"""USB cameras and streams: newest picture, trigger, loss, hang, reconnection."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from station.capture.live import LOST, LiveCamera
from station.core.errors import CameraError
from station.core.frame import Frame
from tests.capture.fake_capture import FakeCapture, FakeDevice


@pytest.fixture
def device() -> Iterator[FakeDevice]:
    device = FakeDevice()
    yield device
    device.let_go()


@pytest.fixture
def camera(device: FakeDevice) -> Iterator[LiveCamera]:
    camera = LiveCamera("camera:0", device.open)
    camera.open()
    yield camera
    device.let_go()
    camera.close()


def _number(frame: Frame) -> int:
    return int(frame.pixels[0, 0, 2])  # the fake writes it as blue of BGR


def _until(is_so: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def test_that_grab_gives_the_newest_picture_and_each_once(camera: LiveCamera) -> None:
    first = _number(camera.grab(1.0))
    time.sleep(0.2)
    second, third = _number(camera.grab(1.0)), _number(camera.grab(1.0))
    assert second > first + 3
    assert third > second


def test_that_bgr_becomes_rgb(camera: LiveCamera) -> None:
    pixels = camera.grab(1.0).pixels
    assert pixels[0, 0, 2] > 0
    assert pixels[0, 0, 0] == 0


def test_that_a_trigger_keeps_the_picture_of_its_moment(camera: LiveCamera) -> None:
    before = _number(camera.grab(1.0))
    camera.trigger()
    time.sleep(0.5)
    at_trigger, now = _number(camera.grab(1.0)), _number(camera.grab(1.0))
    assert before < at_trigger <= before + 15
    assert now > at_trigger + 10


def test_that_the_picture_of_a_trigger_is_taken_after_it() -> None:
    device = FakeDevice(interval_s=0.3)
    camera = LiveCamera("camera:0", device.open)
    camera.open()
    try:
        first = _number(camera.grab(1.0))
        camera.trigger()
        started = time.monotonic()
        assert _number(camera.grab(1.0)) == first + 1
        assert time.monotonic() - started > 0.1
    finally:
        camera.close()


def test_that_a_picture_kept_for_too_long_is_refused_and_not_taken_for_another_part(device: FakeDevice) -> None:
    camera = LiveCamera("camera:0", device.open, max_kept_s=0.1)
    camera.open()
    try:
        camera.trigger()
        time.sleep(0.4)
        with pytest.raises(CameraError, match="old"):
            camera.grab(1.0)
        assert camera.grab(1.0).pixels.size > 0
    finally:
        camera.close()


def test_that_an_old_picture_is_not_taken_for_now(device: FakeDevice) -> None:
    device.interval_s = 0.25
    camera = LiveCamera("camera:0", device.open, max_age_s=0.05)
    camera.open()
    try:
        first = _number(camera.grab(1.0))
        time.sleep(0.35)  # picture first + 1 came 0.1 s ago
        assert _number(camera.grab(1.0)) == first + 2
    finally:
        camera.close()


def test_that_a_pulled_cable_is_found_in_under_a_second(device: FakeDevice, camera: LiveCamera) -> None:
    camera.grab(1.0)
    device.is_there = False
    started = time.monotonic()
    assert _until(lambda: camera.is_lost)
    with pytest.raises(CameraError, match="Camera lost"):
        camera.grab(5.0)
    assert time.monotonic() - started < 1.0


def test_that_a_hanging_driver_is_found_in_under_a_second(device: FakeDevice, camera: LiveCamera) -> None:
    camera.grab(1.0)
    device.hang()
    started = time.monotonic()
    with pytest.raises(CameraError) as failure:
        while True:
            camera.grab(5.0)
    assert str(failure.value) == LOST
    assert time.monotonic() - started < 1.0
    assert camera.is_lost


def test_that_a_lost_camera_comes_back_by_itself(device: FakeDevice, camera: LiveCamera) -> None:
    device.is_there = False
    assert _until(lambda: camera.is_lost)
    device.is_there = True
    assert _until(lambda: not camera.is_lost)
    assert camera.grab(1.0).pixels.size > 0
    assert device.connections >= 2
    assert device.released >= 1


def test_that_reaching_a_lost_camera_is_tried_ever_more_rarely(device: FakeDevice, camera: LiveCamera) -> None:
    device.is_there = False
    time.sleep(1.5)
    assert 2 <= device.connections - 1 <= 4


def test_that_a_trigger_during_a_loss_does_not_outlive_it(device: FakeDevice, camera: LiveCamera) -> None:
    device.is_there = False
    assert _until(lambda: camera.is_lost)
    camera.trigger()
    with pytest.raises(CameraError):
        camera.grab(0.1)
    device.is_there = True
    assert _until(lambda: not camera.is_lost)
    assert camera.grab(1.0).pixels.size > 0


def test_that_close_and_reopen_are_bounded_while_the_driver_hangs(device: FakeDevice, camera: LiveCamera) -> None:
    device.hang()
    time.sleep(0.05)
    started = time.monotonic()
    camera.close()
    assert time.monotonic() - started < 1.5
    device.let_go()
    camera.open()
    assert camera.grab(1.0).pixels.size > 0


def test_that_a_camera_that_is_not_there_is_refused_at_open(device: FakeDevice) -> None:
    device.is_there = False
    camera = LiveCamera("camera:4", device.open)
    with pytest.raises(CameraError, match="camera:4"):
        camera.open()
    with pytest.raises(CameraError, match="not open"):
        camera.grab(0.1)


def test_that_a_driver_that_hangs_at_open_is_bounded(device: FakeDevice) -> None:
    device.hang()
    camera = LiveCamera("camera:4", device.open, open_timeout_s=0.3)
    started = time.monotonic()
    with pytest.raises(CameraError):
        camera.open()
    assert time.monotonic() - started < 2.0
    device.let_go()


def test_that_a_driver_that_throws_is_a_lost_camera_whose_address_stays_secret() -> None:
    def connect() -> FakeCapture:
        raise cv2.error("cannot open rtsp://boss:s3cret@host")

    with pytest.raises(CameraError) as failure:
        LiveCamera("rtsp://host", connect).open()
    assert "s3cret" not in repr((failure.value, failure.value.__cause__, failure.value.__context__))


def test_that_a_grab_in_vain_ends_at_its_time_out(device: FakeDevice, camera: LiveCamera) -> None:
    device.interval_s = 0.6
    time.sleep(0.1)
    camera.trigger()
    started = time.monotonic()
    with pytest.raises(CameraError, match="within"):
        camera.grab(0.1)
    assert time.monotonic() - started < 0.4


@pytest.mark.parametrize(
    ("shape", "dtype", "expected", "bits"),
    [
        ((40, 48), np.uint8, (40, 48), 8),
        ((40, 48, 1), np.uint16, (40, 48), 16),
        ((40, 48, 4), np.uint8, (40, 48, 3), 8),
        ((40, 48, 3), np.uint16, (40, 48, 3), 16),
    ],
)
def test_that_grey_colour_and_16_bits_are_taken(
    shape: tuple[int, ...], dtype: Any, expected: tuple[int, ...], bits: int
) -> None:
    camera = LiveCamera("camera:0", FakeDevice(shape=shape, dtype=dtype).open)
    camera.open()
    try:
        frame = camera.grab(1.0)
        assert (frame.pixels.shape, frame.bit_depth) == (expected, bits)
    finally:
        camera.close()


def test_that_values_no_inspection_takes_are_a_camera_error() -> None:
    camera = LiveCamera("camera:0", FakeDevice(dtype=np.float32).open)
    camera.open()
    try:
        with pytest.raises(CameraError, match="float32"):
            camera.grab(1.0)
    finally:
        camera.close()


def test_that_the_thread_ends_with_close(device: FakeDevice) -> None:
    camera = LiveCamera("camera:9", device.open)
    camera.open()
    assert any(thread.name == "capture camera:9" for thread in threading.enumerate())
    camera.close()
    assert not any(thread.name == "capture camera:9" for thread in threading.enumerate())
    assert device.released == device.connections
