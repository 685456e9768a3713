"""The inspection worker: store first, show after; a failure is a FAULT; no part is ever missing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QMetaObject, QObject, Qt, QThread, Signal, Slot
from pytestqt.qtbot import QtBot

from station.core.inspection import PartView
from station.core.recipe import QualityLimits, Recipe
from station.core.verdict import Verdict
from station.workers.inspection import CameraState, InspectionWorker, JudgedPart, Suppliers
from tests import fakes


class Window(QObject):
    """What the window would send and hear, in its own thread: waiting on the worker's signals directly would not."""

    load = Signal(object, str)
    source = Signal(str)
    continuous = Signal(bool, int)
    acknowledge = Signal()

    def __init__(self, worker: InspectionWorker, log: fakes.FakeLog) -> None:
        super().__init__()
        self._worker = worker
        self._log = log
        self.parts: list[JudgedPart] = []
        self.rows_when_shown: list[int] = []
        self.previews: list[PartView | None] = []
        self.stops: list[str] = []
        self.told: list[tuple[str, object]] = []
        self.load.connect(worker.load_recipe)
        self.source.connect(worker.open_source)
        self.continuous.connect(worker.set_continuous)
        self.acknowledge.connect(worker.acknowledge)
        worker.verdict_ready.connect(self.on_part)
        worker.preview_ready.connect(self.on_preview)
        worker.continuous_changed.connect(self.on_continuous)
        worker.source_ended.connect(self.on_end)
        worker.recipe_loaded.connect(self.on_recipe)
        worker.recipe_failed.connect(self.on_refusal)
        worker.camera_changed.connect(self.on_camera)
        worker.acknowledge_changed.connect(self.on_acknowledge)
        worker.bug_found.connect(self.on_bug)

    @Slot(object)
    def on_part(self, part: JudgedPart) -> None:
        self.parts.append(part)
        self.rows_when_shown.append(len(self._log.recorded))

    @Slot()
    def on_preview(self) -> None:
        self.previews.append(self._worker.views.take())

    @Slot(bool, str)
    def on_continuous(self, is_on: bool, reason: str) -> None:
        if not is_on:
            self.stops.append(reason)

    @Slot(str)
    def on_end(self, reason: str) -> None:
        self.told.append(("ended", reason))

    @Slot(object)
    def on_recipe(self, loaded: object) -> None:
        self.told.append(("recipe", loaded))

    @Slot(str, str)
    def on_refusal(self, name: str, reason: str) -> None:
        self.told.append(("refused", reason))

    @Slot(object)
    def on_camera(self, state: CameraState) -> None:
        self.told.append(("camera", state.problem))

    @Slot(bool)
    def on_acknowledge(self, is_needed: bool) -> None:
        self.told.append(("acknowledge", is_needed))

    @Slot(str)
    def on_bug(self, text: str) -> None:
        self.told.append(("bug", text))


class Line:
    """A worker in its thread, with its fakes and a window that listens."""

    def __init__(self, qtbot: QtBot, frames: int = 3) -> None:
        self.qtbot = qtbot
        self.camera = fakes.FakeCamera([fakes.frame(index) for index in range(frames)])
        self.detector = fakes.FakeDetector()
        self.log = fakes.FakeLog()
        self.worker = InspectionWorker(Suppliers(lambda: self.log, lambda spec: self.camera, lambda _: self.detector))
        self.window = Window(self.worker, self.log)
        self.thread = QThread()
        self.worker.moveToThread(self.thread)
        self.thread.started.connect(self.worker.start)
        self.thread.start()

    @property
    def parts(self) -> list[JudgedPart]:
        return self.window.parts

    def hears(self, *what: object) -> None:
        """Wait until the window was told the given thing."""
        self.qtbot.waitUntil(lambda: tuple(what) in self.window.told)

    def ready(self, recipe: Recipe | None = None) -> "Line":
        self.window.told.clear()
        self.window.load.emit(recipe or fakes.recipe(quality=QualityLimits()), "fake")
        self.qtbot.waitUntil(lambda: self.window.told[-1:] != [] and self.window.told[-1][0] == "recipe")
        return self

    def inspect(self, serial: str = "") -> JudgedPart:
        before = len(self.parts)
        self.worker.press(serial)
        self.qtbot.waitUntil(lambda: len(self.parts) > before)
        return self.parts[-1]

    def close(self) -> None:
        QMetaObject.invokeMethod(self.worker, "stop", Qt.ConnectionType.BlockingQueuedConnection)
        self.thread.quit()
        assert self.thread.wait(5000)


@pytest.fixture
def line(qtbot: QtBot) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(**options: Any) -> Line:
        lines.append(Line(qtbot, **options))
        return lines[-1]

    yield make
    for made in lines:
        made.close()


def test_that_a_part_is_stored_before_it_is_shown(line: Callable[..., Line]) -> None:
    running = line().ready()
    part = running.inspect("S-1")
    assert part.inspection.verdict is Verdict.OK
    assert part.inspection.serial == "S-1"
    assert part.is_stored
    assert part.inspection.picture_hash is not None
    assert running.window.rows_when_shown == [1]
    view = running.worker.views.take()
    assert isinstance(view, PartView)
    assert view.inspection == part.inspection
    assert view.heat is not None


def test_that_a_storage_error_never_shows_ok(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.log.refuses_pictures = True
    part = running.inspect()
    assert part.inspection.verdict is Verdict.FAULT
    assert "Disk nearly full" in (part.inspection.fault or "")
    assert part.is_stored, "the FAULT itself still fits"
    assert running.log.recorded[-1].frame is None


def test_that_a_fault_that_cannot_be_stored_says_so(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.log.failures = 2
    part = running.inspect()
    assert part.inspection.verdict is Verdict.FAULT
    assert not part.is_stored


def test_that_a_lost_camera_is_a_fault_and_comes_back(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.camera.problem = "Camera lost. Check the cable, then press Reconnect."
    fault = running.inspect()
    assert fault.inspection.verdict is Verdict.FAULT
    assert fault.inspection.fault == running.camera.problem
    running.hears("camera", running.camera.problem)
    running.camera.problem = ""
    assert running.inspect().inspection.verdict is Verdict.OK
    assert running.window.told[-1] == ("camera", "")


def test_that_an_overrun_is_recorded_as_a_fault_with_its_own_id(line: Callable[..., Line]) -> None:
    running = line(frames=5).ready()
    for _ in range(5):
        running.worker.press()
    running.qtbot.waitUntil(lambda: len(running.parts) == 5)
    verdicts = [part.inspection.verdict for part in running.parts]
    overruns = [part.inspection for part in running.parts if "Overrun" in (part.inspection.fault or "")]
    assert overruns
    assert verdicts.count(Verdict.OK) + len(overruns) == 5
    assert len({part.inspection.id for part in running.parts}) == 5
    assert len(running.log.recorded) == 5


def test_that_an_unknown_exception_stops_the_line_with_a_fault(
    line: Callable[..., Line], caplog: pytest.LogCaptureFixture
) -> None:
    running = line().ready()
    running.detector.failure = ZeroDivisionError("a bug")
    part = running.inspect()
    assert part.inspection.verdict is Verdict.FAULT
    running.qtbot.waitUntil(lambda: running.window.told[-1][0] == "bug")
    assert "a bug" in caplog.text
    running.detector.failure = None
    assert running.inspect().inspection.verdict is Verdict.FAULT, "the line stays stopped until a recipe is loaded"
    running.ready()
    assert running.inspect().inspection.verdict is Verdict.OK


def test_that_continuous_inspection_ends_with_the_folder(line: Callable[..., Line]) -> None:
    running = line(frames=4).ready()
    running.window.continuous.emit(True, 0)
    running.hears("ended", "All pictures have been inspected.")
    assert len(running.parts) == 4
    assert running.window.stops == [""]


def test_that_continuous_inspection_stops_between_two_parts_when_told(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready()
    running.window.continuous.emit(True, 1)
    running.qtbot.waitUntil(lambda: len(running.parts) >= 3)
    running.window.continuous.emit(False, 0)
    running.qtbot.waitUntil(lambda: running.window.stops == [""])
    stopped_at = len(running.parts)
    running.qtbot.wait(100)
    assert len(running.parts) == stopped_at
    assert len(running.log.recorded) == stopped_at


def test_that_an_ng_waits_for_its_acknowledgement_when_the_recipe_says_so(line: Callable[..., Line]) -> None:
    running = line(frames=5).ready(fakes.recipe(quality=QualityLimits(), acknowledge_ng=True))
    running.detector.next_score = 9.0
    assert running.inspect().inspection.verdict is Verdict.NG
    running.hears("acknowledge", True)
    refused = running.inspect().inspection
    assert refused.verdict is Verdict.FAULT
    assert "acknowledged" in (refused.fault or "")
    running.window.acknowledge.emit()
    running.hears("acknowledge", False)
    running.detector.next_score = 1.0
    assert running.inspect().inspection.verdict is Verdict.OK


def test_that_a_part_without_recipe_is_a_fault(line: Callable[..., Line]) -> None:
    running = line()
    part = running.inspect("S-9")
    assert part.inspection.verdict is Verdict.FAULT
    assert part.inspection.serial == "S-9"


def test_that_a_bad_recipe_leaves_the_last_one_in_force(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.window.load.emit(fakes.recipe(window=(0.0, 99.0)), "another")
    running.qtbot.waitUntil(lambda: running.window.told[-1][0] == "refused")
    assert running.inspect().inspection.verdict is Verdict.OK


def test_that_the_overlay_grows_without_verdict_while_a_part_is_scored(line: Callable[..., Line]) -> None:
    running = line().ready()
    score = running.detector.score

    def slow(pixels: Any, on_partial: Any = None) -> Any:
        QThread.msleep(150)
        detection = score(pixels, on_partial)
        QThread.msleep(150)
        return detection

    running.detector.score = slow  # type: ignore[method-assign]
    running.inspect()
    (preview,) = running.window.previews
    assert preview is not None
    assert preview.inspection is None
    assert preview.heat is not None
