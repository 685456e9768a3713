"""The inspection worker: store first, show after; a failure is a FAULT; no part is ever missing."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QMetaObject, QObject, Qt, QThread, Signal, Slot
from pytestqt.qtbot import QtBot

from station.capture.ahead import AheadCamera
from station.core.errors import CameraError, NoPartYetError, StorageError
from station.core.frame import Frame
from station.core.inspection import PartView
from station.core.ports import Camera
from station.core.recipe import QualityLimits, Recipe
from station.core.verdict import Verdict
from station.workers.inspection import (
    MOST_FAILED_GRABS,
    NO_RECIPE,
    SERIAL_NEEDED,
    CameraState,
    InspectionWorker,
    JudgedPart,
    Suppliers,
)
from tests import fakes


class Window(QObject):
    """What the window would send and hear, in its own thread: waiting on the worker's signals directly would not."""

    load = Signal(object, str)
    source = Signal(str)
    continuous = Signal(bool, int)
    acknowledge = Signal()
    halt = Signal(str)

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
        self.halt.connect(worker.halt)
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

    def __init__(self, qtbot: QtBot, frames: int = 3, log_failures: int = 0, fetches_ahead: bool = False) -> None:
        self.qtbot = qtbot
        self.camera = fakes.FakeCamera([fakes.frame(index) for index in range(frames)])
        self.detector = fakes.FakeDetector()
        self.log = fakes.FakeLog()
        self.opened: list[str] = []
        self._log_failures = log_failures
        self._fetches_ahead = fetches_ahead
        self.worker = InspectionWorker(Suppliers(self._open_log, self._open_camera, lambda _: self.detector))
        self.window = Window(self.worker, self.log)
        self.thread = QThread()
        self.worker.moveToThread(self.thread)
        self.thread.started.connect(self.worker.start)
        self.thread.start()

    def _open_log(self) -> fakes.FakeLog:
        self._log_failures -= 1
        if self._log_failures >= 0:
            raise StorageError("The history cannot be opened.")
        return self.log

    def _open_camera(self, spec: str) -> Camera:
        self.opened.append(spec)
        return AheadCamera(self.camera) if self._fetches_ahead else self.camera

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
    score = running.detector.score

    def slow(*arguments: Any) -> Any:
        QThread.msleep(50)
        return score(*arguments)

    running.detector.score = slow  # type: ignore[method-assign]
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


def test_that_continuous_inspection_keeps_its_pace(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready()
    began = time.monotonic()
    running.window.continuous.emit(True, 100)
    running.qtbot.waitUntil(lambda: len(running.parts) == 4)
    assert time.monotonic() - began >= 0.28, "three times a tenth of a second lie between four parts"


def test_that_a_part_announced_in_continuous_inspection_is_no_overrun(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready()
    running.window.continuous.emit(True, 0)
    for _ in range(20):
        running.worker.press()
        running.qtbot.waitUntil(lambda: not running.worker._triggers.has_waiting)
    running.window.continuous.emit(False, 0)
    running.qtbot.waitUntil(lambda: running.window.stops == [""])
    assert {part.inspection.verdict for part in running.parts} == {Verdict.OK}


def test_that_a_lost_camera_ends_continuous_inspection_after_a_few_faults(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready()
    running.camera.problem = "Camera lost."
    running.window.continuous.emit(True, 0)
    running.qtbot.waitUntil(lambda: running.window.stops == ["Camera lost."])
    assert [part.inspection.verdict for part in running.parts] == [Verdict.FAULT] * MOST_FAILED_GRABS


def test_that_one_unreadable_picture_does_not_end_continuous_inspection(line: Callable[..., Line]) -> None:
    running = line(frames=8).ready()
    grab, grabbed = running.camera.grab, 0

    def every_third_fails(timeout_s: float) -> Frame:
        nonlocal grabbed
        grabbed += 1
        frame = grab(timeout_s)
        if grabbed % 3 == 0:
            raise CameraError("This file is no picture.")
        return frame

    running.camera.grab = every_third_fails  # type: ignore[method-assign]
    running.window.continuous.emit(True, 0)
    running.hears("ended", "All pictures have been inspected.")
    assert [part.inspection.verdict for part in running.parts].count(Verdict.FAULT) == 2
    assert len(running.parts) == 8


def test_that_a_source_where_nothing_came_yet_is_no_part_unless_somebody_announced_one(
    line: Callable[..., Line],
) -> None:
    running = line(frames=0).ready()

    def nothing_yet(timeout_s: float) -> Frame:
        QThread.msleep(5)
        raise NoPartYetError("No new picture came.")

    running.camera.grab = nothing_yet  # type: ignore[method-assign]
    running.window.continuous.emit(True, 0)
    running.qtbot.wait(100)
    assert running.parts == []
    assert running.window.stops == []
    assert running.inspect().inspection.fault == "No new picture came."


def test_that_continuous_inspection_waits_for_the_acknowledgement_and_then_goes_on(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready(fakes.recipe(quality=QualityLimits(), acknowledge_ng=True))
    running.detector.next_score = 9.0
    running.window.continuous.emit(True, 0)
    running.hears("acknowledge", True)
    running.qtbot.wait(50)
    assert [part.inspection.verdict for part in running.parts] == [Verdict.NG]
    running.detector.next_score = 1.0
    running.window.acknowledge.emit()
    running.qtbot.waitUntil(lambda: len(running.parts) >= 3)


def test_that_a_pending_ng_is_not_forgotten_by_loading_a_recipe(line: Callable[..., Line]) -> None:
    recipe = fakes.recipe(quality=QualityLimits(), acknowledge_ng=True)
    running = line(frames=5).ready(recipe)
    running.detector.next_score = 9.0
    running.inspect()
    running.hears("acknowledge", True)
    running.ready(recipe)
    assert "acknowledged" in (running.inspect().inspection.fault or "")


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (None, NO_RECIPE),
        (fakes.recipe(quality=QualityLimits(), serial_required=True), SERIAL_NEEDED),
    ],
)
def test_that_continuous_inspection_does_not_begin_where_every_part_would_be_a_fault(
    line: Callable[..., Line], recipe: Recipe | None, reason: str
) -> None:
    running = line()
    if recipe is not None:
        running.ready(recipe)
    running.window.continuous.emit(True, 0)
    running.qtbot.waitUntil(lambda: running.window.stops == [reason])
    assert running.parts == []


def test_that_a_part_without_the_serial_its_recipe_needs_is_a_fault(line: Callable[..., Line]) -> None:
    running = line().ready(fakes.recipe(quality=QualityLimits(), serial_required=True))
    assert running.inspect().inspection.fault == SERIAL_NEEDED
    assert running.inspect("S-1").inspection.verdict is Verdict.OK


def test_that_the_end_of_a_source_is_told_and_is_no_part(line: Callable[..., Line]) -> None:
    running = line(frames=0).ready()
    running.worker.press("S-1")
    running.hears("ended", "All pictures have been inspected.")
    assert running.parts == []
    assert running.log.recorded == []


def test_that_a_bug_in_storing_stops_the_line_and_never_shows_a_pass(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.log.bug = ZeroDivisionError("in the log")
    part = running.inspect()
    assert part.inspection.verdict is Verdict.FAULT
    assert not part.is_stored
    running.qtbot.waitUntil(lambda: running.window.told[-1][0] == "bug")


def test_that_many_failures_in_the_window_make_one_fault(line: Callable[..., Line]) -> None:
    running = line().ready()
    for _ in range(5):
        running.window.halt.emit("The window failed.")
    running.qtbot.waitUntil(lambda: ("bug", "The window failed.") in running.window.told)
    running.ready()
    assert running.inspect().inspection.verdict is Verdict.OK
    assert [part.inspection.fault for part in running.parts] == ["The window failed.", None]


def test_that_a_refused_recipe_leaves_the_camera_too(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.window.load.emit(fakes.recipe(window=(0.0, 99.0)), "another")
    running.qtbot.waitUntil(lambda: running.window.told[-1][0] == "refused")
    assert running.camera.is_open
    assert running.opened == ["fake"]


def test_that_a_recipe_with_the_same_source_does_not_open_it_again(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.window.load.emit(fakes.recipe(quality=QualityLimits()), "fake")
    running.qtbot.waitUntil(lambda: [kind for kind, _ in running.window.told].count("recipe") == 2)
    assert running.opened == ["fake"]


def test_that_a_source_that_does_not_open_is_closed_and_told(line: Callable[..., Line]) -> None:
    running = line()

    def refuse() -> None:
        running.camera.is_open = True
        raise CameraError("The camera is in use.")

    running.camera.open = refuse  # type: ignore[method-assign]
    running.window.source.emit("fake")
    running.hears("camera", "The camera is in use.")
    assert not running.camera.is_open


def test_that_a_storage_error_ends_continuous_inspection(line: Callable[..., Line]) -> None:
    running = line(frames=1000).ready()
    running.log.refuses_pictures = True
    running.window.continuous.emit(True, 0)
    running.qtbot.waitUntil(lambda: running.window.stops == ["Disk nearly full."])
    assert [part.inspection.verdict for part in running.parts] == [Verdict.FAULT]


def test_that_a_history_that_could_not_be_opened_is_tried_again_with_each_part(line: Callable[..., Line]) -> None:
    running = line(frames=5, log_failures=3)  # at the start, for the part, for its FAULT
    running.ready()
    assert not running.inspect().is_stored, "each part tries again"
    assert running.inspect().is_stored


def test_that_a_fault_without_picture_names_the_camera_that_was_open(line: Callable[..., Line]) -> None:
    running = line().ready(fakes.recipe(quality=QualityLimits(), source="another"))
    running.camera.problem = "Camera lost."
    assert running.inspect().inspection.source == "fake"


def _names(parts: list[JudgedPart]) -> list[str]:
    return [part.inspection.serial for part in parts]


def test_that_the_next_part_is_fetched_while_one_is_judged(line: Callable[..., Line]) -> None:
    running = line(frames=3, fetches_ahead=True).ready()
    score, left_when_judged = running.detector.score, []

    def judged(*arguments: Any) -> Any:
        deadline = time.monotonic() + 5
        while len(running.camera.frames) > 1 and time.monotonic() < deadline:
            QThread.msleep(1)
        left_when_judged.append(len(running.camera.frames))
        return score(*arguments)

    running.detector.score = judged  # type: ignore[method-assign]
    running.inspect()
    assert left_when_judged == [1], "the second of three has left the source, the third has not"


def test_that_stopping_and_changing_the_recipe_leave_out_no_picture_of_a_source(line: Callable[..., Line]) -> None:
    frames = 150  # more than an idle machine inspects before it is stopped three times
    running = line(frames=frames, fetches_ahead=True).ready()
    for _ in range(3):
        so_far = len(running.parts)
        running.window.continuous.emit(True, 1)
        running.qtbot.waitUntil(lambda so_far=so_far: len(running.parts) >= so_far + 3)
        running.window.continuous.emit(False, 0)
        running.qtbot.waitUntil(lambda: running.window.stops[-1:] == [""])
        running.window.stops.clear()
        running.ready()
        running.inspect()
    running.window.continuous.emit(True, 0)
    running.hears("ended", "All pictures have been inspected.")
    assert _names(running.parts) == [f"part-{number}" for number in range(frames)]


def test_that_a_failure_fetched_ahead_is_the_fault_of_its_own_part(line: Callable[..., Line]) -> None:
    running = line(frames=5, fetches_ahead=True).ready()
    grab = running.camera.grab

    def the_third_fails(timeout_s: float) -> Frame:
        frame = grab(timeout_s)
        if frame.name == "part-2":
            raise CameraError("part-2 is no picture.")
        return frame

    running.camera.grab = the_third_fails  # type: ignore[method-assign]
    running.window.continuous.emit(True, 0)
    running.hears("ended", "All pictures have been inspected.")
    assert [part.inspection.fault for part in running.parts] == [None, None, "part-2 is no picture.", None, None]


def test_that_the_end_fetched_ahead_is_told_after_the_last_part_is_shown(line: Callable[..., Line]) -> None:
    running = line(frames=2, fetches_ahead=True).ready()
    assert running.inspect().inspection.verdict is Verdict.OK
    assert running.inspect().inspection.verdict is Verdict.OK
    running.qtbot.wait(50)
    assert ("ended", "All pictures have been inspected.") not in running.window.told
    running.worker.press()
    running.hears("ended", "All pictures have been inspected.")
    assert len(running.parts) == 2


def test_that_a_part_shown_is_as_it_is_stored_where_its_views_were_made_before(line: Callable[..., Line]) -> None:
    running = line().ready()
    running.detector.next_score = 9.0
    running.log.refuses_pictures = True
    fault = running.inspect()
    view = running.worker.views.take()
    assert view is not None and view.inspection == fault.inspection
    assert view.heat is None and view.outlines == (), "nothing of the verdict that could not be stored"
