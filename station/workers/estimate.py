"""How long an order would take on this machine: asked of `loupe train --estimate` in a child process. QtCore only."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ml.job import TrainingJob
from station.workers.child import ChildEnd, Ending, JsonChild
from station.workers.training import JOB_FILE, TRAINING_EVENTS, TrainingPlan, TrainingProgress

PAUSE_MS = 700
"""An order that is still being changed is not measured."""
ESTIMATE_COMMAND = (sys.executable, "-m", "station", "train", "--estimate")


class Estimator(QObject):
    """One question at a time; a newer one ends the older, whose answer is never told. Lives in the GUI thread."""

    began = Signal()
    """The machine is being measured for the latest question."""
    progressed = Signal(object)
    """TrainingProgress of that measurement."""
    estimated = Signal(object)
    """TrainingPlan for the latest question."""
    failed = Signal(str)
    """The latest question has no answer, and why."""

    def __init__(self, command: Sequence[str] = ESTIMATE_COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder: TemporaryDirectory[str] | None = None
        self._wanted: TrainingJob | None = None
        self._measured: TrainingJob | None = None
        self._answer: TrainingPlan | None = None
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._child = JsonChild(command, TRAINING_EVENTS, self.tr("The estimate"), parent=self)
        self._pause.timeout.connect(self._begin)
        self._child.told.connect(self._on_event)
        self._child.ended.connect(self._on_end)

    @Slot(object)
    def ask(self, job: TrainingJob) -> None:
        """Measure `job` once no other has been asked for a moment."""
        self._wanted = job
        self._pause.start()
        self._child.kill()

    @Slot()
    def withdraw(self) -> None:
        """Nothing is to be known any more."""
        self._wanted = None
        self._pause.stop()
        self._child.kill()

    def close(self) -> None:
        """Withdraw, and wait until the child is gone."""
        self.withdraw()
        self._child.stop()
        self._remove_folder()

    @Slot()
    def _begin(self) -> None:
        if self._wanted is None:
            return
        if self._child.is_running:  # the one before is still dying: its end begins this one
            return
        self._answer = None
        try:
            self._folder = TemporaryDirectory(prefix="loupe-estimate-", ignore_cleanup_errors=True)
            job_file = Path(self._folder.name) / JOB_FILE
            self._wanted.model_copy(update={"out": Path(self._folder.name) / "model.loupe"}).save(job_file)
        except OSError as error:
            self.failed.emit(self.tr("No estimate: {}").format(error.strerror))
            return
        self._measured = self._wanted
        self.began.emit()
        self._child.start("--job", str(job_file), "--json")

    @Slot(object)
    def _on_event(self, event: object) -> None:
        if self._wanted is not self._measured:
            return
        match event:
            case TrainingPlan() as plan:
                self._answer = plan
            case TrainingProgress():
                self.progressed.emit(event)

    @Slot(object)
    def _on_end(self, end: ChildEnd) -> None:
        self._remove_folder()
        if self._wanted is None:
            return
        if self._wanted is not self._measured:  # another was asked meanwhile
            if not self._pause.isActive():
                self._begin()
        elif self._answer is not None:
            self.estimated.emit(self._answer)
        elif end.ending is not Ending.CANCELLED:
            self.failed.emit(end.error or self.tr("No estimate; training tells how far it is."))

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
