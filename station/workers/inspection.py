"""The inspection worker: per part grab, inspect, record, tell. One part per event-loop turn, one hop to the screen."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ml.artifact import Manifest
from ml.errors import LoupeError
from ml.maps import ScoreMap
from station.core.errors import CameraError, CameraExhaustedError, NoPartYetError
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection, PartView
from station.core.inspector import Inspector, faulted
from station.core.ports import Camera, Detector
from station.core.presentation import THUMBNAIL_SIDE_PX, PartPresenter, displayed
from station.core.recipe import Recipe
from station.core.triggers import Trigger, TriggerQueue
from station.core.verdict import Verdict
from station.workers.latest import LatestSlot
from station.workers.recording import FrameLog, Recorder

GRAB_TIMEOUT_S = 2.0
PREVIEW_INTERVAL_S = 0.1
MOST_FAILED_GRABS = 3
"""Continuous inspection ends after so many in a row: each is a FAULT, and nobody wants a history full of them."""

NO_RECIPE = "No recipe is loaded. Choose a recipe, then inspect again."
NO_CAMERA = "No camera is open. Choose a source, then inspect again."
SERIAL_NEEDED = "This recipe needs the serial number of each part. Scan or type it, then inspect."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Suppliers:
    """How the worker comes by what belongs to its own thread. Each is called there and may raise LoupeError.

    `open_log` is called again where a setting of the log has changed or the log could not be opened before.
    """

    open_log: Callable[[], FrameLog]
    open_camera: Callable[[str], Camera]
    load_detector: Callable[[str], Detector]  # by model hash


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """`computing` says what computes the model, for people."""

    recipe: Recipe
    manifest: Manifest
    computing: str


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
    """Continuous inspection runs or not, and why it stopped, or did not begin, where nobody asked for that."""
    source_ended = Signal(str)
    """A finite source has no further picture, in words; no part was inspected."""
    acknowledge_changed = Signal(bool)
    """An NG waits for the operator's acknowledgement, or no longer."""
    bug_found = Signal(str)
    """A failure that nobody foresaw; the line has stopped. The text is for the operator, the trace is in the log."""
    stopped = Signal()
    """Everything is released; emitted in the worker's own thread."""
    _pressed = Signal()

    def __init__(self, suppliers: Suppliers, operator: str = "local") -> None:
        super().__init__()
        self.views: LatestSlot[PartView] = LatestSlot()
        self._suppliers = suppliers
        self._operator = operator
        self._triggers = TriggerQueue()
        self._recorder = Recorder(suppliers.open_log)
        self._camera: Camera | None = None
        self._source = ""
        self._camera_problem = ""
        self._failed_grabs = 0
        self._inspector: Inspector | None = None
        self._manifest: Manifest | None = None
        self._pace: QTimer | None = None
        self._interval_s = 0.0
        self._is_continuous = False
        self._is_halted = False
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
        self.renew_log()

    @Slot()
    def renew_log(self) -> None:
        """Open the log anew. Where that fails, each part tries again, and is a FAULT that is not stored meanwhile."""
        self._recorder.renew()

    @Slot(object, str)
    def load_recipe(self, recipe: Recipe, source: str) -> None:
        """Make this recipe the one that judges, and take pictures from `source`; empty keeps the camera as it is.

        A failure leaves the last good recipe and its camera in force. An NG part that waits for the operator goes on
        waiting.
        """
        try:
            detector = self._suppliers.load_detector(recipe.model_hash)
            inspector = Inspector(recipe, detector, self._operator)
        except LoupeError as error:
            log.warning("Recipe %s was not loaded: %s", recipe.name, error)
            self.recipe_failed.emit(recipe.name, str(error))
            return
        self._inspector, self._manifest = inspector, detector.manifest
        self._is_halted = False
        if source and (self._camera is None or source != self._source):
            self.open_source(source)
        if self._is_continuous and recipe.serial_required:
            self._stop_continuous(SERIAL_NEEDED)
        self.recipe_loaded.emit(LoadedRecipe(recipe, detector.manifest, detector.runtime.title))

    @Slot(str)
    def open_source(self, spec: str) -> None:
        """Change the camera. A source that cannot be opened leaves the station without one, and says so."""
        self._stop_continuous("")
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._source, self._failed_grabs = spec, 0
        camera = None
        try:
            camera = self._suppliers.open_camera(spec)
            camera.open()
        except CameraError as error:
            if camera is not None:
                camera.close()
            self._tell_camera(spec, str(error))
            return
        self._camera = camera
        self._tell_camera(camera.name, "")

    @Slot(bool, int)
    def set_continuous(self, is_on: bool, interval_ms: int) -> None:
        """Inspect part after part, `interval_ms` from one to the next or more, or stop after the one being judged.

        It does not begin where every part would be a FAULT.
        """
        if not is_on:
            self._stop_continuous("")
        elif (obstacle := self._obstacle_to_continuous()) is not None:
            self._stop_continuous(obstacle)
        elif not self._is_continuous and self._pace is not None:
            self._is_continuous, self._interval_s, self._failed_grabs = True, interval_ms / 1000, 0
            self.continuous_changed.emit(True, "")
            self._pace.start(0)

    @Slot(str)
    def halt(self, reason: str) -> None:
        """Something outside this thread failed unforeseen: one FAULT is recorded and no part is judged any more."""
        if not self._is_halted:
            self._halt(Trigger(), reason)

    @Slot()
    def acknowledge(self) -> None:
        """The operator has seen the NG part."""
        self._set_waiting_for_acknowledge(False)
        if self._is_continuous and self._pace is not None:
            self._pace.start(0)

    @Slot()
    def turn(self) -> None:
        """One event-loop turn: parts that came too early become FAULTs, then at most one part is judged."""
        self._take_turn(is_continuous=False)

    @Slot()
    def stop(self) -> None:
        """Last call in the worker's thread: everything that belongs to it is released."""
        self._stop_continuous("")
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._recorder.close()
        self.stopped.emit()

    @Slot()
    def _inspect_next(self) -> None:
        """Continuous inspection: the next part; while an NG waits for the operator, none until it is acknowledged."""
        if self._is_continuous and not self._waits_for_acknowledge and self._pace is not None:
            began = time.monotonic()
            self._take_turn(is_continuous=True)
            if self._is_continuous:
                left_s = self._interval_s - (time.monotonic() - began)
                self._pace.start(max(0, round(left_s * 1000)))

    def _take_turn(self, is_continuous: bool) -> None:
        """In continuous inspection a part is looked for that nobody announced."""
        trigger = None
        try:
            while (trigger := self._triggers.take_overrun()) is not None:
                self._fault(trigger, "Overrun: this part came while another one was being judged. Slow the line down.")
            trigger = self._triggers.take()
            if trigger is not None:
                self.busy_changed.emit(True)
                self._judge(trigger, is_announced=True)
            elif is_continuous:
                self._judge(Trigger(), is_announced=False)
        except Exception as bug:  # noqa: BLE001  # the one guard: what was not foreseen stops the line
            self._stop_line(trigger or Trigger(), bug)
        finally:
            if not self._triggers.has_waiting:
                self.busy_changed.emit(False)

    def _judge(self, trigger: Trigger, is_announced: bool) -> None:
        obstacle = self._obstacle(trigger)
        if obstacle is not None:
            self._fault(trigger, obstacle)
            return
        assert self._camera is not None
        try:
            frame = self._camera.grab(GRAB_TIMEOUT_S)
        except CameraExhaustedError as end:
            self._stop_continuous("")
            self.source_ended.emit(str(end))
            return
        except CameraError as error:
            if is_announced or not isinstance(error, NoPartYetError):
                self._miss(trigger, error)
            return
        self._failed_grabs = 0
        if self._camera_problem:
            self._tell_camera(self._camera.name, "")
        if not is_announced:
            self.busy_changed.emit(True)
        self._inspect(frame, trigger.serial)

    def _obstacle(self, trigger: Trigger) -> str | None:
        """Why this part cannot be judged, whatever its picture shows."""
        if self._inspector is None:
            return NO_RECIPE
        if self._waits_for_acknowledge:
            return "The NG part before this one has not been acknowledged. Press F8, then inspect again."
        if self._inspector.recipe.serial_required and not trigger.serial:
            return SERIAL_NEEDED
        return None if self._camera is not None else self._camera_problem or NO_CAMERA

    def _obstacle_to_continuous(self) -> str | None:
        if self._inspector is None:
            return NO_RECIPE
        if self._inspector.recipe.serial_required:
            return SERIAL_NEEDED
        return None if self._camera is not None else self._camera_problem or NO_CAMERA

    def _miss(self, trigger: Trigger, error: CameraError) -> None:
        """The camera gave nothing for this part: a FAULT, and the end of continuous inspection if it goes on so."""
        assert self._camera is not None
        self._failed_grabs += 1
        self._tell_camera(self._camera.name, str(error))
        self._fault(trigger, str(error))
        if self._is_continuous and self._failed_grabs >= MOST_FAILED_GRABS:
            self._stop_continuous(str(error))

    def _inspect(self, frame: Frame, serial: str) -> None:
        assert self._inspector is not None and self._manifest is not None
        self._recorder.prepare(frame)
        presenter = PartPresenter(frame.pixels, self._inspector.recipe.window, self._manifest.calibration)
        self._previewed_at = time.monotonic()
        inspected = self._inspector.inspect(frame, serial, lambda so_far: self._preview(presenter, so_far))
        self._recorder.prepare_map(inspected)
        self._record_and_show(inspected, presenter)

    def _preview(self, presenter: PartPresenter, so_far: ScoreMap) -> None:
        now = time.monotonic()
        if now - self._previewed_at < PREVIEW_INTERVAL_S:
            return
        self._previewed_at = now
        if self.views.put(presenter.view(so_far, None)):
            self.preview_ready.emit()

    def _fault(self, trigger: Trigger, reason: str) -> None:
        self._record_and_show(self._faulted(trigger, reason), None)

    def _faulted(self, trigger: Trigger, reason: str) -> Inspected:
        recipe = self._inspector.recipe if self._inspector else None
        source = self._camera.name if self._camera else self._source
        return faulted(
            reason, recipe, trigger.serial, part_id=trigger.id, source=source or None, operator=self._operator
        )

    def _record_and_show(self, inspected: Inspected, presenter: PartPresenter | None) -> None:
        """Store first, show after; what will be shown is made while the map is on its way to the disk."""
        view = presenter.view(inspected.score_map, inspected.inspection) if presenter is not None else None
        thumbnail = displayed(view.picture, (0, 255), THUMBNAIL_SIDE_PX) if view is not None else None
        recorded = self._recorder.record(inspected)
        stored = recorded.inspection
        if recorded.problem and self._is_continuous:
            self._stop_continuous(recorded.problem)
        if presenter is not None and view is not None:
            self.views.put(presenter.view(None, stored) if recorded.problem else replace(view, inspection=stored))
        if stored.verdict is Verdict.NG and self._inspector is not None and self._inspector.recipe.acknowledge_ng:
            self._set_waiting_for_acknowledge(True)
        self.verdict_ready.emit(JudgedPart(stored, thumbnail, recorded.is_stored))

    def _stop_line(self, trigger: Trigger, bug: Exception) -> None:
        """A bug: the part is a FAULT, and no further part is judged until a recipe is loaded again."""
        log.critical("Unforeseen failure; the line stops", exc_info=bug)
        self._halt(
            trigger,
            f"Loupe failed in a way that was not foreseen ({type(bug).__name__}). The line has stopped. "
            "Load the recipe again to go on; the log folder holds the report.",
        )

    def _halt(self, trigger: Trigger, reason: str) -> None:
        self._stop_continuous("")
        try:
            self._fault(trigger, reason)
        except Exception as bug:  # the guard's second half: it may be the storing that fails
            log.critical("Unforeseen failure while the FAULT was stored", exc_info=bug)
            self.verdict_ready.emit(JudgedPart(self._faulted(trigger, reason).inspection, None, is_stored=False))
        self._inspector = self._manifest = None
        self._is_halted = True
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
