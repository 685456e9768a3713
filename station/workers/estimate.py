"""How long an order would take on this machine: asked of `loupe train --estimate` in a child process. QtCore only."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QObject, QProcess, QTimer, Signal, Slot

from ml.job import TrainingJob
from station.workers.child import child_environment, lower_priority
from station.workers.training import ChildError, TrainingPlan, parse_event

PAUSE_MS = 700
"""An order that is still being changed is not measured."""
END_MS = 2000
ESTIMATE_COMMAND = (sys.executable, "-m", "station", "train", "--estimate")


class Estimator(QObject):
    """One question at a time; a newer one ends the older, whose answer is never told. Lives in the GUI thread."""

    began = Signal()
    """The machine is being measured for the latest question."""
    estimated = Signal(object)
    """TrainingPlan for the latest question."""
    failed = Signal(str)
    """The latest question has no answer, and why."""

    def __init__(self, command: Sequence[str] = ESTIMATE_COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._folder: TemporaryDirectory[str] | None = None
        self._wanted: TrainingJob | None = None
        self._measured: TrainingJob | None = None
        self._unread = b""
        self._answer: TrainingPlan | None = None
        self._problem = ""
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._process = QProcess(self)
        self._process.setProcessEnvironment(child_environment())
        self._pause.timeout.connect(self._begin)
        self._process.started.connect(self._on_started)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.errorOccurred.connect(self._on_error)
        self._process.finished.connect(self._on_finished)

    @Slot(object)
    def ask(self, job: TrainingJob) -> None:
        """Measure `job` once no other has been asked for a moment."""
        self._wanted = job
        self._pause.start()
        if self._is_running:
            self._process.kill()

    @property
    def is_pending(self) -> bool:
        """Whether the latest question is still to be answered."""
        return self._wanted is not None and (self._pause.isActive() or self._is_running)

    @Slot()
    def withdraw(self) -> None:
        """Nothing is to be known any more."""
        self._wanted = None
        self._pause.stop()
        if self._is_running:
            self._process.kill()

    def close(self) -> None:
        """Withdraw, and wait until the child is gone."""
        self.withdraw()
        if self._is_running:
            self._process.waitForFinished(END_MS)
        self._remove_folder()

    @property
    def _is_running(self) -> bool:
        return self._process.state() != QProcess.ProcessState.NotRunning

    @Slot()
    def _begin(self) -> None:
        if self._wanted is None:
            return
        if self._is_running:  # the one before is still dying: its end begins this one
            return
        self._unread, self._answer, self._problem = b"", None, ""
        try:
            self._folder = TemporaryDirectory(prefix="loupe-estimate-", ignore_cleanup_errors=True)
            job_file = Path(self._folder.name) / "job.json"
            self._wanted.model_copy(update={"out": Path(self._folder.name) / "model.loupe"}).save(job_file)
        except OSError as error:
            self.failed.emit(self.tr("No estimate: {}").format(error.strerror))
            return
        self._measured = self._wanted
        program, *arguments = self._command
        self._process.start(program, [*arguments, "--job", str(job_file), "--json"])
        self._process.closeWriteChannel()
        self.began.emit()

    @Slot()
    def _on_started(self) -> None:
        lower_priority(self._process)

    @Slot()
    def _on_output(self) -> None:
        self._unread += bytes(self._process.readAllStandardOutput().data())
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            match parse_event(line):
                case TrainingPlan() as plan:
                    self._answer = plan
                case ChildError(message):
                    self._problem = message

    @Slot(QProcess.ProcessError)
    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # every other error is followed by `finished`
            self._remove_folder()
            self.failed.emit(self.tr("No estimate: {}").format(self._process.errorString()))

    @Slot(int, QProcess.ExitStatus)
    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._on_output()
        self._remove_folder()
        if self._wanted is None:
            return
        if self._wanted is not self._measured:  # another was asked meanwhile
            if not self._pause.isActive():
                self._begin()
            return
        if self._answer is not None:
            self.estimated.emit(self._answer)
        elif status == QProcess.ExitStatus.NormalExit:
            self.failed.emit(self._problem or self.tr("No estimate; training tells how far it is."))

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
