"""The demo recipe's first training: good parts are rendered in the background, then a child process learns them."""

from PySide6.QtCore import QObject, Signal, Slot

from station.capture.demo_recipe import demo_job, write_demo_parts
from station.home import Home
from station.workers.background import Background
from station.workers.training import TrainingOutcome, TrainingProcess, TrainingProgress


class DemoTraining(QObject):
    """One run at a time; lives in the GUI thread."""

    progressed = Signal(str, float)
    """Stage in plain words and its share done, 0 to 1; negative while it cannot be told."""
    succeeded = Signal(object)
    """TrainingOutcome: the model file is complete."""
    failed = Signal(str)
    """Why there is no model, and what to do."""
    cancelled = Signal()
    """Stopped on request; nothing is left of it."""

    def __init__(self, home: Home, process: TrainingProcess, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self._process = process
        self._is_running = False
        self._rendering: Background | None = None
        process.progressed.connect(self._on_progress)
        process.succeeded.connect(self._on_success)
        process.failed.connect(self._on_failure)
        process.cancelled.connect(self._on_cancelled)

    @Slot()
    def start(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        self.progressed.emit(self.tr("Rendering good parts"), -1.0)
        self._job = job = demo_job(self._home)
        self._rendering = Background(lambda: write_demo_parts(job), self)
        self._rendering.done.connect(self._on_rendered)
        self._rendering.failed.connect(self._on_failure)
        self._rendering.start()

    @Slot()
    def cancel(self) -> None:
        """Stop; while parts are still being rendered the training is not begun."""
        if self._process.is_running:
            self._process.cancel()
        else:
            self._on_cancelled()

    @Slot()
    def _on_cancelled(self) -> None:
        if self._is_running:
            self._is_running = False
            self.cancelled.emit()

    @Slot(object)
    def _on_rendered(self, _: object) -> None:
        if self._is_running:
            self._process.start(self._job)

    @Slot(object)
    def _on_progress(self, progress: TrainingProgress) -> None:
        if self._is_running:
            self.progressed.emit(progress.stage, progress.done / progress.total if progress.total else -1.0)

    @Slot(object)
    def _on_success(self, outcome: TrainingOutcome) -> None:
        if self._is_running:
            self._is_running = False
            self.succeeded.emit(outcome)

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        if self._is_running:
            self._is_running = False
            self.failed.emit(reason)
