"""Fetching ahead: nothing is left out, everything comes in its order, and nothing is left running."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.capture import ahead, open_camera
from station.capture.ahead import AheadCamera
from station.capture.folder import FolderCamera
from station.core.errors import CameraError, CameraExhaustedError
from station.core.frame import Frame
from station.core.ports import Camera
from tests import fakes
from tests.capture.files import write_picture

SOON_S = 5.0


class Source:
    """Gives what it was made with, frames or failures, and notes in which threads it was called."""

    name = "parts"

    def __init__(self, *outcomes: Frame | Exception) -> None:
        self.outcomes = list(outcomes)
        self.grabs = 0
        self.threads: set[int] = set()
        self.is_open = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def open(self) -> None:
        self.threads.add(threading.get_ident())
        self.is_open = True

    def trigger(self) -> None: ...

    def grab(self, timeout_s: float) -> Frame:
        self.threads.add(threading.get_ident())
        self.may_go_on.wait(SOON_S)
        if not self.outcomes:
            raise CameraExhaustedError("no more")
        self.grabs += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.is_open = False


Opened = Callable[..., tuple[AheadCamera, Source]]


@pytest.fixture
def opened() -> Iterator[Opened]:
    cameras: list[AheadCamera] = []

    def open_over(*outcomes: Frame | Exception) -> tuple[AheadCamera, Source]:
        source = Source(*outcomes)
        cameras.append(AheadCamera(source))
        cameras[-1].open()
        return cameras[-1], source

    yield open_over
    for camera in cameras:
        camera.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _names(camera: Camera) -> list[str]:
    names = []
    try:
        while True:
            names.append(camera.grab(1.0).name)
    except CameraExhaustedError:
        return names


def test_that_one_frame_is_fetched_ahead_and_no_more(opened: Opened) -> None:
    camera, source = opened(*(fakes.frame(number) for number in range(5)))
    assert source.grabs == 0, "nothing was asked for yet"
    camera.grab(1.0)
    _until(lambda: source.grabs == 2)
    time.sleep(0.05)
    assert source.grabs == 2


def test_that_the_frame_fetched_ahead_is_there_at_once(opened: Opened) -> None:
    camera, source = opened(fakes.frame(1), fakes.frame(2), fakes.frame(3))
    camera.grab(1.0)
    _until(lambda: source.grabs == 2)
    source.may_go_on.clear()
    assert camera.grab(0.0).name == "part-2"
    source.may_go_on.set()


def test_that_frames_come_in_order_each_once_until_the_end_of_the_source(tmp_path: Path) -> None:
    names = [f"part{number}.png" for number in range(1, 21)]
    for name in names:
        write_picture(tmp_path / name)
    camera = open_camera(f"folder:{tmp_path}")
    assert isinstance(camera, AheadCamera)
    camera.open()
    assert _names(camera) == names
    with pytest.raises(CameraExhaustedError, match="all 20 pictures"):
        camera.grab(1.0)
    camera.close()


def test_that_a_failure_fetched_ahead_is_raised_in_its_turn_and_the_next_frame_follows(opened: Opened) -> None:
    camera, source = opened(fakes.frame(1), CameraError("part 2 is no picture"), fakes.frame(3))
    assert camera.grab(1.0).name == "part-1"
    _until(lambda: source.grabs == 2)
    with pytest.raises(CameraError, match="part 2"):
        camera.grab(1.0)
    assert camera.grab(1.0).name == "part-3"


def test_that_nothing_is_fetched_behind_a_failure(opened: Opened) -> None:
    camera, source = opened(CameraError("gone"), CameraError("still gone"))
    with pytest.raises(CameraError, match=r"^gone"):
        camera.grab(1.0)
    source.outcomes.insert(0, fakes.frame(1))
    assert camera.grab(1.0).name == "part-1", "the failure of before does not stand in the way of what comes back"


def test_that_a_bug_in_the_source_reaches_the_one_who_grabs(opened: Opened) -> None:
    camera, _ = opened(fakes.frame(1), ZeroDivisionError("a bug"), fakes.frame(3))
    camera.grab(1.0)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        camera.grab(1.0)
    assert camera.grab(1.0).name == "part-3"


def test_that_a_part_is_captured_when_it_is_grabbed(opened: Opened) -> None:
    camera, source = opened(fakes.frame(1), fakes.frame(2))
    camera.grab(1.0)
    _until(lambda: source.grabs == 2)
    pressed_at = datetime.now(UTC)
    assert camera.grab(1.0).captured_at >= pressed_at


def test_that_a_picture_that_takes_longer_than_the_time_out_is_no_missing_part(opened: Opened) -> None:
    camera, source = opened(fakes.frame(1))
    source.may_go_on.clear()
    threading.Timer(0.2, source.may_go_on.set).start()
    assert camera.grab(0.01).name == "part-1"


def test_that_a_file_system_that_hangs_is_told_and_what_it_gives_later_is_not_lost(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_PATIENCE_S", 0.05)
    camera, source = opened(fakes.frame(1))
    source.may_go_on.clear()
    with pytest.raises(CameraError, match="does not answer"):
        camera.grab(0.0)
    source.may_go_on.set()
    monkeypatch.setattr(ahead, "_PATIENCE_S", SOON_S)
    assert camera.grab(1.0).name == "part-1"


def test_that_a_thread_that_hangs_is_left_behind_and_closes_the_source_later(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_CLOSE_TIMEOUT_S", 0.05)
    camera, source = opened(fakes.frame(1), fakes.frame(2))
    camera.grab(1.0)
    _until(lambda: source.grabs == 2)
    source.may_go_on.clear()
    camera.grab(1.0)
    camera.close()
    with pytest.raises(CameraError, match="does not answer"):
        camera.open()
    source.may_go_on.set()
    _until(lambda: not source.is_open)


def test_that_the_source_lives_in_one_thread_of_its_own(opened: Opened) -> None:
    camera, source = opened(fakes.frame(1))
    camera.grab(1.0)
    camera.close()
    assert not source.is_open
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


def test_that_a_source_that_does_not_open_leaves_no_thread(tmp_path: Path) -> None:
    camera = AheadCamera(FolderCamera(tmp_path / "nowhere"))
    with pytest.raises(CameraError, match="no such folder"):
        camera.open()
    assert not [thread for thread in threading.enumerate() if "nowhere" in thread.name]


def test_that_a_source_opened_again_begins_at_its_beginning(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        write_picture(tmp_path / name)
    camera = AheadCamera(FolderCamera(tmp_path))
    camera.open()
    camera.grab(1.0)
    camera.open()
    assert _names(camera) == ["1.png", "2.png", "3.png"]
    camera.close()


@pytest.mark.parametrize("spec", ["camera:0", "rtsp://10.0.0.5/stream", "watch:parts"])
def test_that_what_may_yet_change_is_never_fetched_ahead(spec: str) -> None:
    assert not isinstance(open_camera(spec), AheadCamera)
