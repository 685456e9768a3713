"""Pictures are taken in and checked outside the GUI thread; what was reached stays, what fails is told in words."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from ml.pictures import encode_png, read_picture
from station.capture.simulated import SimulatedCamera
from station.core.errors import CameraError
from station.core.frame import Frame
from station.core.ports import Camera
from station.projects import picture_choices as choices
from station.projects.project import Project, ProjectPicture
from station.projects.sources import Offers, from_paths
from station.projects.store import ProjectError
from station.workers import picture_gathering
from station.workers.capturing import CaptureEnd, CaptureOrder, Capturing
from station.workers.picture_gathering import FACTS_FILE, Gathered, PictureGathering

WAIT_MS = 20_000


def fill(folder: Path, count: int, dtype: type[np.unsignedinteger] = np.uint8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64), dtype)
        (folder / f"{number:03d}.png").write_bytes(encode_png(pixels))
    return folder


class Collector:
    """A project that takes in what is gathered, as the page does."""

    def __init__(self, gathering: PictureGathering) -> None:
        self.project = Project(name="Seat")
        self.batches = 0
        gathering.admitted.connect(self.take)

    def take(self, pictures: tuple[ProjectPicture, ...]) -> None:
        self.batches += 1
        self.project = choices.added(self.project, pictures)


@pytest.fixture
def gathering(tmp_path: Path, qapp: object) -> Iterator[PictureGathering]:
    made = PictureGathering(tmp_path / "project")
    (tmp_path / "project").mkdir()
    yield made
    made.close()


@pytest.fixture
def collected(gathering: PictureGathering) -> Collector:
    return Collector(gathering)


def gather(gathering: PictureGathering, project: Project, source: Callable[[], Offers], qtbot: QtBot) -> Gathered:
    with qtbot.waitSignal(gathering.ended, timeout=WAIT_MS) as ended:
        gathering.gather(source, lambda: project)
    (found,) = ended.args
    return found


def check(gathering: PictureGathering, project: Project, qtbot: QtBot) -> dict[str, object]:
    with qtbot.waitSignal(gathering.checked, timeout=WAIT_MS) as checked:
        gathering.check(project.pictures)
    (found,) = checked.args
    return found


def test_that_pictures_come_in_batches_with_thumbnails(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_gathering, "BATCH_S", 0.0001)
    folder = fill(tmp_path / "parts", 6)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = gather(gathering, collected.project, lambda: from_paths([folder]), qtbot)
    assert (found.added, found.already) == (6, 0) and collected.batches > 1
    assert [one.name for one in found.refused] == ["broken.png"] and "broken.png" in found.refused[0].reason
    assert len(collected.project.pictures) == 6
    for one in collected.project.pictures:
        assert PictureGathering.thumbnail_file(tmp_path / "project", one.sha256).is_file()
    again = gather(gathering, collected.project, lambda: from_paths([folder]), qtbot)
    assert (again.added, again.already) == (0, 6)


def test_that_checks_find_repeats_and_what_has_gone_or_changed(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = fill(tmp_path / "parts", 5)
    (folder / "copy.png").write_bytes((folder / "001.png").read_bytes())
    gather(gathering, collected.project, lambda: from_paths([folder]), qtbot)
    found = check(gathering, collected.project, qtbot)
    assert [finding.kind for finding in found["copy.png"]] == ["duplicate"]
    assert not any(found[f"{number:03d}.png"] for number in range(5))
    (folder / "000.png").unlink()
    (folder / "002.png").write_bytes((folder / "003.png").read_bytes())
    (tmp_path / "project" / FACTS_FILE).unlink()
    afresh = PictureGathering(tmp_path / "project")
    found = check(afresh, collected.project, qtbot)
    afresh.close()
    assert [name for name, each in found.items() if each and each[0].kind == "unreadable"] == ["000.png", "002.png"]


def test_that_files_that_go_and_come_back_are_told_without_comparing_anew(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = fill(tmp_path / "parts", 3)
    gather(gathering, collected.project, lambda: from_paths([folder]), qtbot)
    found = check(gathering, collected.project, qtbot)
    project = choices.with_findings(collected.project, found)  # type: ignore[arg-type]
    (folder / "001.png").rename(tmp_path / "elsewhere.png")
    with qtbot.waitSignal(gathering.checked, timeout=WAIT_MS) as gone:
        gathering.look_for_files(project.pictures)
    assert [each[0].kind for each in gone.args[0].values()] == ["unreadable"] and list(gone.args[0]) == ["001.png"]
    project = choices.with_findings(project, gone.args[0])
    (tmp_path / "elsewhere.png").rename(folder / "001.png")
    with qtbot.waitSignal(gathering.checked, timeout=WAIT_MS) as back:
        gathering.look_for_files(project.pictures)
    assert back.args[0] == {"001.png": ()}


def test_that_adding_can_be_cancelled_and_what_came_stays(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_gathering, "BATCH_S", 0.0001)
    gathering.admitted.connect(gathering.cancel)
    found = gather(gathering, collected.project, lambda: from_paths([fill(tmp_path / "parts", 30)]), qtbot)
    assert found.is_cancelled and 0 < found.added < 30 and len(collected.project.pictures) == found.added


def test_that_two_folders_dropped_at_once_come_one_after_the_other(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot
) -> None:
    ended: list[Gathered] = []
    gathering.ended.connect(ended.append)
    for name in ("a", "b"):
        folder = fill(tmp_path / name, 4)
        gathering.gather(lambda folder=folder: from_paths([folder]), lambda: collected.project)
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=WAIT_MS)
    names = [one.name for one in collected.project.pictures]
    assert len(set(names)) == 8 and "b/000.png" in names


def test_that_deeper_pictures_are_refused_beside_8_bit_ones(
    gathering: PictureGathering, collected: Collector, tmp_path: Path, qtbot: QtBot
) -> None:
    gather(gathering, collected.project, lambda: from_paths([fill(tmp_path / "parts", 2)]), qtbot)
    deep = fill(tmp_path / "deep", 2, np.uint16)
    found = gather(gathering, collected.project, lambda: from_paths([deep]), qtbot)
    assert found.added == 0 and "16 bits" in found.refused[0].reason


def test_that_a_folder_that_goes_is_told_in_words(gathering: PictureGathering, tmp_path: Path, qtbot: QtBot) -> None:
    def source() -> Offers:
        return from_paths([tmp_path / "project"])

    with qtbot.waitSignal(gathering.failed, timeout=WAIT_MS) as failed:
        gathering.gather(source, lambda: Project(name="Seat"))
    assert "no pictures" in failed.args[0]
    listed = from_paths([fill(tmp_path / "parts", 2)])
    for file in (tmp_path / "parts").iterdir():
        file.unlink()
    found = gather(gathering, Project(name="Seat"), lambda: listed, qtbot)
    assert found.added == 0 and "does not exist" in found.refused[0].reason


def test_that_nothing_is_told_after_closing(tmp_path: Path, qtbot: QtBot) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def source() -> Offers:
        begun.set()
        go_on.wait(10)
        raise ProjectError("late")

    gathering = PictureGathering(tmp_path)
    failed: list[str] = []
    gathering.failed.connect(failed.append)
    gathering.gather(source, lambda: Project(name="Seat"))
    assert begun.wait(10)
    go_on.set()
    gathering.close()
    qtbot.wait(50)
    assert not failed


# The camera


class Dying(SimulatedCamera):
    """Lost after two pictures."""

    shots = 0

    def grab(self, timeout_s: float) -> Frame:
        if self.shots == 2:
            raise CameraError("Camera lost. Check the cable, then press Reconnect.")
        self.shots += 1
        return super().grab(timeout_s)


@pytest.fixture
def capture(qtbot: QtBot) -> Iterator[Callable[[Camera], Capturing]]:
    made: list[Capturing] = []

    def begin(camera: Camera) -> Capturing:
        made.append(Capturing(lambda spec: camera))
        return made[-1]

    yield begin
    assert all(one.close() for one in made)


def end_of(capturing: Capturing, order: CaptureOrder, qtbot: QtBot) -> CaptureEnd:
    with qtbot.waitSignal(capturing.ended, timeout=WAIT_MS) as ended:
        capturing.begin(order)
    (found,) = ended.args
    return found


def test_that_as_many_pictures_as_ordered_are_stored_without_loss(
    capture: Callable[[Camera], Capturing], tmp_path: Path, qtbot: QtBot
) -> None:
    capturing = capture(SimulatedCamera(seed=2, size_px=128))
    shown: list[object] = []
    capturing.previewed.connect(shown.append)
    stored: list[Path] = []
    capturing.captured.connect(stored.append)
    found = end_of(capturing, CaptureOrder("demo:2", tmp_path / "pictures", 3), qtbot)
    assert not found.problem and len(found.files) == 3 == len(shown) and not capturing.is_running
    assert tuple(stored) == found.files
    again = SimulatedCamera(seed=2, size_px=128)
    again.open()
    for file in found.files:
        assert np.array_equal(read_picture(file).pixels, again.grab(1.0).pixels)


def test_that_a_camera_that_is_lost_leaves_what_was_captured(
    capture: Callable[[Camera], Capturing], tmp_path: Path, qtbot: QtBot
) -> None:
    found = end_of(capture(Dying(size_px=128)), CaptureOrder("camera:0", tmp_path, 5), qtbot)
    assert len(found.files) == 2 and "Camera lost" in found.problem and "2 of 5" in found.problem


def test_that_a_camera_that_the_line_uses_is_told_with_what_to_do(
    capture: Callable[[Camera], Capturing], tmp_path: Path, qtbot: QtBot
) -> None:
    found = end_of(capture(SimulatedCamera(disturbance="lost")), CaptureOrder("camera:0", tmp_path, 5), qtbot)
    assert not found.files and "stop the line" in found.problem


def test_that_capturing_can_be_stopped_in_a_pause(
    capture: Callable[[Camera], Capturing], tmp_path: Path, qtbot: QtBot
) -> None:
    capturing = capture(SimulatedCamera(size_px=128))
    with qtbot.waitSignal(capturing.captured, timeout=WAIT_MS):
        capturing.begin(CaptureOrder("demo", tmp_path, 5, pause_s=60))
    with qtbot.waitSignal(capturing.ended, timeout=WAIT_MS) as ended:
        capturing.stop()
    assert len(ended.args[0].files) == 1 and not ended.args[0].problem


def test_that_a_disk_that_cannot_be_written_is_told(
    capture: Callable[[Camera], Capturing], tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "file").write_bytes(b"")
    found = end_of(capture(SimulatedCamera(size_px=128)), CaptureOrder("demo", tmp_path / "file" / "in", 2), qtbot)
    assert "could not be stored" in found.problem
