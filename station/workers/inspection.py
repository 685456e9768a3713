"""The inspection worker: per part grab, inspect, record, tell. One part per event-loop turn, one hop to the screen."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ml.artifact import Manifest
from ml.errors import LoupeError
from ml.maps import ScoreMap
from station.core.errors import CameraError, CameraExhaustedError, StorageError
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection, PartView
from station.core.inspector import Inspector, faulted
from station.core.ports import Camera, Detector, InspectionLog
from station.core.presentation import THUMBNAIL_SIDE_PX, PartPresenter, displayed
from station.core.recipe import Recipe
from station.core.triggers import Trigger, TriggerQueue
from station.core.verdict import Verdict
from station.workers.latest import LatestSlot

GRAB_TIMEOUT_S = 2.0
PREVIEW_INTERVAL_S = 0.1

log = logging.getLogger(__name__)


class FrameLog(InspectionLog, Protocol):
    """The log as the worker needs it: it may start encoding a frame while the frame is being scored."""

    def prepare(self, frame: Frame) -> object: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Suppliers:
    """How the worker comes by what belongs to its own thread. Each is called there and may raise LoupeError."""

    open_log: Callable[[], FrameLog]
    open_camera: Callable[[str], Camera]
    load_detector: Callable[[str], Detector]  # by model hash


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    recipe: Recipe
    manifest: Manifest
    device: str


@dataclass(frozen=True, slots=True)
class CameraState:
    """`problem` is what the operator reads; empty when the camera delivers."""

    name: str
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPart:
    """A stored verdict, with a thumbnail `(h, w, 3)` uint8 RGB of at most 128 px where there was a picture.

    `is_stored` is False only for a FAULT that the disk itself would not take.
    """

    inspection: Inspection
    thumbnail: NDArray[np.uint8] | None
    is_stored: bool = True


class InspectionWorker(QObject):
    """Lives in its own thread; only `press` and `views` may be used from another one."""

    verdict_ready = Signal(object)
    """JudgedPart: a part was judged and its row is committed; its picture lies in `views`."""
    preview_ready = Signal()
    """`views` holds the overlay so far of the part being scored."""
    busy_changed = Signal(bool)
    """A part is being judged."""
    recipe_loaded = Signal(object)
    """LoadedRecipe: from the next part on this recipe judges."""
    recipe_failed = Signal(str, str)
    """Recipe name and reason; the recipe loaded before stays in force."""
    camera_changed = Signal(object)
    """CameraState."""
    continuous_changed = Signal(bool, str)
    """Continuous inspection runs or not, and why it stopped where it did so by itself."""
    acknowledge_changed = Signal(bool)
    """An NG waits for the operator's acknowledgement, or no longer."""
    bug_found = Signal(str)
    """A failure that nobody foresaw; the line has stopped. The text is for the operator, the trace is in the log."""
    stopped = Signal()
    """Everything is released; emitted in the worker's own thread."""
    _pressed = Signal()

    def __init__(self, suppliers: Suppliers) -> None:
        super().__init__()
        self.views: LatestSlot[PartView] = LatestSlot()
        self._suppliers = suppliers
        self._triggers = TriggerQueue()
        self._log: FrameLog | None = None
        self._camera: Camera | None = None
        self._camera_problem = ""
        self._inspector: Inspector | None = None
        self._manifest: Manifest | None = None
        self._pace: QTimer | None = None
        self._is_continuous = False
        self._waits_for_acknowledge = False
        self._previewed_at = 0.0
        self._pressed.connect(self.turn)

    def press(self, serial: str = "") -> bool:
        """A part is in place: inspect it. Thread-safe. False when it came too early and will be a FAULT."""
        in_time = self._triggers.press(serial)
        camera = self._camera
        if in_time and camera is not None:
            camera.trigger()
        self._pressed.emit()
        return in_time

    @Slot()
    def start(self) -> None:
        """First call in the worker's thread."""
        self._pace = QTimer(self)
        self._pace.setSingleShot(True)
        self._pace.timeout.connect(self._inspect_next)
        try:
            self._log = self._suppliers.open_log()
        except StorageError as error:
            self.bug_found.emit(f"The history cannot be written: {error}")

    @Slot(object)
    def load_recipe(self, recipe: Recipe) -> None:
        """Load the model and make it the one that judges; a failure leaves the last good recipe in force."""
        try:
            detector = self._suppliers.load_detector(recipe.model_hash)
            inspector = Inspector(recipe, detector)
        except LoupeError as error:
            log.warning("Recipe %s was not loaded: %s", recipe.name, error)
            self.recipe_failed.emit(recipe.name, str(error))
            return
        self._inspector, self._manifest = inspector, detector.manifest
        self._set_waiting_for_acknowledge(False)
        self.recipe_loaded.emit(LoadedRecipe(recipe, detector.manifest, detector.device))

    @Slot(str)
    def open_source(self, spec: str) -> None:
        """Change the camera. A source that cannot be opened leaves the station without one, and says so."""
        self._stop_continuous("")
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        try:
            camera = self._suppliers.open_camera(spec)
            camera.open()
        except CameraError as error:
            self._tell_camera(spec, str(error))
            return
        self._camera = camera
        self._tell_camera(camera.name, "")

    @Slot(bool, int)
    def set_continuous(self, is_on: bool, interval_ms: int) -> None:
        """Inspect part after part, at least `interval_ms` apart, or stop after the one being judged."""
        if not is_on:
            self._stop_continuous("")
        elif not self._is_continuous and self._pace is not None:
            self._is_continuous = True
            self.continuous_changed.emit(True, "")
            self._pace.setInterval(interval_ms)
            self._pace.start(0)

    @Slot(str)
    def halt(self, reason: str) -> None:
        """Something outside this thread failed unforeseen: a FAULT is recorded and no part is judged any more."""
        self._stop_continuous("")
        self._fault(Trigger(), reason)
        self._inspector = self._manifest = None
        self.bug_found.emit(reason)

    @Slot()
    def acknowledge(self) -> None:
        """The operator has seen the NG part."""
        self._set_waiting_for_acknowledge(False)

    @Slot()
    def turn(self) -> None:
        """One event-loop turn: parts that came too early become FAULTs, then at most one part is judged."""
        try:
            while (overrun := self._triggers.take_overrun()) is not None:
                self._fault(overrun, "Overrun: this part came while another one was being judged. Slow the line down.")
            trigger = self._triggers.take()
            if trigger is None:
                return
            self.busy_changed.emit(True)
            try:
                self._judge(trigger)
            except Exception as bug:  # noqa: BLE001  # the one guard: what was not foreseen stops the line
                self._stop_line(trigger, bug)
        finally:
            if not self._triggers.has_waiting:
                self.busy_changed.emit(False)

    @Slot()
    def stop(self) -> None:
        """Last call in the worker's thread: everything that belongs to it is released."""
        self._stop_continuous("")
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._log is not None:
            self._log.close()
            self._log = None
        self.stopped.emit()

    def _inspect_next(self) -> None:
        """Continuous inspection: the next part, unless an NG waits for the operator."""
        if not self._is_continuous or self._pace is None:
            return
        if not self._waits_for_acknowledge:
            self._triggers.press()
            self.turn()
        if self._is_continuous:
            self._pace.start()

    def _judge(self, trigger: Trigger) -> None:
        if self._inspector is None:
            self._fault(trigger, "No recipe is loaded. Choose a recipe, then inspect again.")
            return
        if self._waits_for_acknowledge:
            self._fault(trigger, "The NG part before this one has not been acknowledged. Press F8, then inspect again.")
            return
        if self._camera is None:
            self._fault(trigger, self._camera_problem or "No camera is open. Choose a source, then inspect again.")
            return
        try:
            frame = self._camera.grab(GRAB_TIMEOUT_S)
        except CameraExhaustedError as end:
            self._stop_continuous(str(end))
            return
        except CameraError as error:
            self._tell_camera(self._camera.name, str(error))
            self._fault(trigger, str(error))
            return
        if self._camera_problem:
            self._tell_camera(self._camera.name, "")
        self._inspect(frame, trigger.serial)

    def _inspect(self, frame: Frame, serial: str) -> None:
        assert self._inspector is not None and self._manifest is not None
        if self._log is not None:
            self._log.prepare(frame)
        presenter = PartPresenter(frame.pixels, self._inspector.recipe.window, self._manifest.calibration)
        self._previewed_at = time.monotonic()
        inspected = self._inspector.inspect(frame, serial, lambda so_far: self._preview(presenter, so_far))
        self._record_and_show(inspected, presenter)

    def _preview(self, presenter: PartPresenter, so_far: ScoreMap) -> None:
        now = time.monotonic()
        if now - self._previewed_at < PREVIEW_INTERVAL_S:
            return
        self._previewed_at = now
        if self.views.put(presenter.view(so_far, None)):
            self.preview_ready.emit()

    def _fault(self, trigger: Trigger, reason: str) -> None:
        recipe = self._inspector.recipe if self._inspector else None
        self._record_and_show(faulted(reason, recipe, trigger.serial, part_id=trigger.id), None)

    def _record_and_show(self, inspected: Inspected, presenter: PartPresenter | None) -> None:
        """Store first, show after. What cannot be stored is a FAULT, stored without its pictures if that fits."""
        is_stored = True
        try:
            stored = self._record(inspected)
        except StorageError as error:
            log.error("Part %s was not stored: %s", inspected.inspection.id, error)  # foreseen
            inspected = _unstored(inspected, str(error))
            try:
                stored = self._record(inspected)
            except StorageError:
                stored, is_stored = inspected.inspection, False
        thumbnail = None
        if presenter is not None:
            self.views.put(presenter.view(inspected.score_map, stored))
            thumbnail = displayed(presenter.picture, (0, 255), THUMBNAIL_SIDE_PX)
        if stored.verdict is Verdict.NG and self._inspector is not None and self._inspector.recipe.acknowledge_ng:
            self._set_waiting_for_acknowledge(True)
        self.verdict_ready.emit(JudgedPart(stored, thumbnail, is_stored))

    def _record(self, inspected: Inspected) -> Inspection:
        if self._log is None:
            raise StorageError("The history is not open.")
        return self._log.record(inspected)

    def _stop_line(self, trigger: Trigger, bug: Exception) -> None:
        """A bug: the part is a FAULT, and no further part is judged until a recipe is loaded again."""
        log.critical("Unforeseen failure; the line stops", exc_info=bug)
        self._stop_continuous("")
        reason = (
            f"Loupe failed in a way that was not foreseen ({type(bug).__name__}). The line has stopped. "
            "Load the recipe again to go on; the log folder holds the report."
        )
        self._fault(trigger, reason)
        self._inspector = self._manifest = None
        self.bug_found.emit(reason)

    def _stop_continuous(self, reason: str) -> None:
        if self._pace is not None:
            self._pace.stop()
        if self._is_continuous or reason:
            self._is_continuous = False
            self.continuous_changed.emit(False, reason)

    def _set_waiting_for_acknowledge(self, waits: bool) -> None:
        if waits != self._waits_for_acknowledge:
            self._waits_for_acknowledge = waits
            self.acknowledge_changed.emit(waits)

    def _tell_camera(self, name: str, problem: str) -> None:
        self._camera_problem = problem
        self.camera_changed.emit(CameraState(name, problem))


def _unstored(inspected: Inspected, problem: str) -> Inspected:
    """The same part as a FAULT without picture and map: what still fits on a disk that is nearly full."""
    inspection = replace(
        inspected.inspection,
        verdict=Verdict.FAULT,
        score=None,
        normalised_score=None,
        threshold=None,
        threshold_low=None,
        regions=(),
        fault=f"The result could not be stored. {problem}",
    )
    return Inspected(inspection=inspection, frame=None, score_map=None)
