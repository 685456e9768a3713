"""The inspection worker and its thread: one owner, one start and stop order."""

import logging

from PySide6.QtCore import QMetaObject, QObject, Qt, QThread, Signal

from station.core.recipe import Recipe
from station.workers.inspection import InspectionWorker, Suppliers

STOP_TIMEOUT_MS = 15_000
"""A part being judged is finished first; the longest is a picture of 100 megapixels' current batch and its storing."""

log = logging.getLogger(__name__)


class InspectionLine(QObject):
    """Lives in the GUI thread. `worker` tells what happens; the methods here ask it to do things, in its own thread."""

    _load_recipe = Signal(object, str)
    _open_source = Signal(str)
    _set_continuous = Signal(bool, int)
    _acknowledge = Signal()
    _halt = Signal(str)
    _renew_log = Signal()

    def __init__(self, suppliers: Suppliers, operator: str = "local", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = InspectionWorker(suppliers, operator)
        self._thread = QThread(self)
        self._thread.setObjectName("inspection")
        self.worker.moveToThread(self._thread)
        self._thread.started.connect(self.worker.start)
        self.worker.stopped.connect(self._thread.quit, Qt.ConnectionType.DirectConnection)
        self._load_recipe.connect(self.worker.load_recipe)
        self._open_source.connect(self.worker.open_source)
        self._set_continuous.connect(self.worker.set_continuous)
        self._acknowledge.connect(self.worker.acknowledge)
        self._halt.connect(self.worker.halt)
        self._renew_log.connect(self.worker.renew_log)

    def start(self) -> None:
        self._thread.start()

    def load_recipe(self, recipe: Recipe, source: str = "") -> None:
        """From the next part on this recipe judges pictures of `source`; empty keeps the camera."""
        self._load_recipe.emit(recipe, source)

    def open_source(self, spec: str) -> None:
        self._open_source.emit(spec)

    def set_continuous(self, is_on: bool, interval_ms: int = 0) -> None:
        self._set_continuous.emit(is_on, interval_ms)

    def acknowledge(self) -> None:
        self._acknowledge.emit()

    def halt(self, reason: str) -> None:
        """Stop judging: something outside the line failed unforeseen."""
        self._halt.emit(reason)

    def renew_log(self) -> None:
        """A setting of the history's writer has changed."""
        self._renew_log.emit()

    def press(self, serial: str = "") -> bool:
        """A part is in place. False when it came too early: it will be a FAULT."""
        return self.worker.press(serial)

    def stop(self) -> bool:
        """Let the worker release what it holds, end its thread, wait. False when it did not end in time."""
        if not self._thread.isRunning():
            return True
        # Queued, not blocking: a worker that hangs must not take the window with it. It runs after the part at hand,
        # and only then ends the event loop: `quit` from here could overtake it.
        QMetaObject.invokeMethod(self.worker, "stop", Qt.ConnectionType.QueuedConnection)
        has_ended = self._thread.wait(STOP_TIMEOUT_MS)
        if not has_ended:
            log.critical("The inspection thread did not end within %d ms", STOP_TIMEOUT_MS)
        return has_ended
