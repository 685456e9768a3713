"""Training in a child process: `loupe train --job FILE --json`, started, watched and stopped. QtCore only.

A crash or a lack of memory there never reaches the line. The child runs at low priority, and each run has a folder
of its own, which is removed unless the run ends with a model or with something to go on from: so nothing half-written
stays. One run at most waits to be continued, also over a restart of the station; a new one takes its place. A child
that outlives a killed station ends at its next line, because nobody reads its output any more.
"""

import json
import re
import shutil
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Base64Bytes, TypeAdapter, ValidationError
from PySide6.QtCore import QObject, QProcess, QTimer, Signal, Slot

from ml.errors import ParameterError
from ml.job import TrainingJob
from station.workers.child import child_environment, lower_priority

STOP_MS = 3000
CANCEL_MS = 10_000
"""For the child to end the step that it is in and to keep what it has learnt."""

JOB_FILE = "job.json"
LONGEST_LINE_BYTES = 64 * 1024 * 1024  # held-out scores of a very large data set fit; endless garbage does not
LOG_TAIL_LINES = 20
CHILD_COMMAND = (sys.executable, "-m", "station", "train")


@dataclass(frozen=True, slots=True)
class SkippedPicture:
    """A file that could not be used, and why in plain words."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """What was found: the number of usable pictures and the files left out."""

    pictures: int
    skipped: tuple[SkippedPicture, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where the run stands; `eta_s` is None while it cannot be told."""

    stage: str
    done: int
    total: int
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """About how long the run takes on this machine, and what it trains beside what was published."""

    seconds: float
    done: str = ""
    published: str = ""


@dataclass(frozen=True, slots=True)
class TrainingLosses:
    """Mean losses by name over the steps since those told before; the measure on held-out parts where one was taken."""

    step: int
    steps: int
    losses: dict[str, float]
    validation: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingSamples:
    """A PNG of two rows after `step`: good parts, and below each what the networks make of it."""

    step: int
    png: Base64Bytes


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The trained model: its file, its hash, and how its threshold was found. Scores and threshold are raw.

    `interval` holds the real false-alarm rate with 95 % confidence, 0 to 1.
    """

    file: Path
    model_hash: str
    threshold: float
    rule: str
    n: int
    source: str = ""
    interval: tuple[float, float] | None = None
    skipped: int = 0
    held_out_scores: tuple[float, ...] = ()
    seconds: float = 0.0
    plan: TrainingPlan | None = None


@dataclass(frozen=True, slots=True)
class ChildError:
    """The child's own last words."""

    message: str


ChildEvent = (
    TrainingStarted | TrainingPlan | TrainingProgress | TrainingLosses | TrainingSamples | TrainingOutcome | ChildError
)

_EVENTS: dict[str, TypeAdapter[Any]] = {
    "started": TypeAdapter(TrainingStarted),
    "plan": TypeAdapter(TrainingPlan),
    "progress": TypeAdapter(TrainingProgress),
    "losses": TypeAdapter(TrainingLosses),
    "samples": TypeAdapter(TrainingSamples),
    "result": TypeAdapter(TrainingOutcome),
    "error": TypeAdapter(ChildError),
}


def parse_event(line: bytes) -> ChildEvent | None:
    """One line of the child's output as a value; None for a line that is no event of ours."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    adapter = _EVENTS.get(str(document.get("event")))
    if adapter is None:
        return None
    try:
        event: ChildEvent = adapter.validate_python(document)
    except ValidationError:
        return None
    return event


class TrainingProcess(QObject):
    """One training run at a time. Lives in the GUI thread; nothing here blocks except `stop`."""

    started = Signal(object)
    """TrainingStarted: the pictures are found."""
    planned = Signal(object)
    """TrainingPlan: what is going to be done, and about how long it takes."""
    progressed = Signal(object)
    """TrainingProgress."""
    measured = Signal(object)
    """TrainingLosses: where the networks stand."""
    sampled = Signal(object)
    """TrainingSamples: what they make of good parts now."""
    logged = Signal(str)
    """One line of the child's own words."""
    succeeded = Signal(object)
    """TrainingOutcome: the model file is complete."""
    failed = Signal(str)
    """The run ended without a model; the text says why and what to do."""
    cancelled = Signal()
    """The run was stopped on request; whether it can go on later is told by `interrupted`."""

    def __init__(
        self, jobs_folder: Path, command: Sequence[str] = CHILD_COMMAND, parent: QObject | None = None
    ) -> None:
        """`jobs_folder` receives a folder per run; `command` is the child without its `--job` and `--json`."""
        super().__init__(parent)
        self._jobs_folder = jobs_folder
        self._command = tuple(command)
        self._run_folder: Path | None = None
        self._interrupted = _last_interrupted(jobs_folder)
        self._is_cancelled = False
        self._unread = b""
        self._outcome: TrainingOutcome | None = None
        self._error: str | None = None
        self._log_tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        self._process = QProcess(self)
        self._process.setProcessEnvironment(child_environment())
        self._kill_timer = QTimer(self, singleShot=True, interval=CANCEL_MS)
        self._connect()

    def _connect(self) -> None:
        self._process.started.connect(self._on_started)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.readyReadStandardError.connect(self._on_words)
        self._process.errorOccurred.connect(self._on_error)
        self._process.finished.connect(self._on_finished)
        self._kill_timer.timeout.connect(self._process.kill)

    @property
    def is_running(self) -> bool:
        return self._process.state() != QProcess.ProcessState.NotRunning

    @property
    def interrupted(self) -> TrainingJob | None:
        """The order of the run that `resume` would continue."""
        return None if self._interrupted is None else _order_of(self._interrupted)

    @Slot(object)
    def start(self, job: TrainingJob) -> None:
        """Begin; the model's folder becomes the run's own, its file name is kept. A second start is ignored.

        A run that was waiting to be continued is given up.
        """
        if self.is_running:
            return
        self._give_up_interrupted()
        try:
            self._run_folder = self._make_run_folder(job.model_name)
            job.model_copy(update={"out": self._run_folder / job.out.name}).save(self._run_folder / JOB_FILE)
        except OSError as error:
            self._end_run_folder()
            self.failed.emit(
                self.tr("The training order cannot be written to {}: {}. Free some space or check the folder.").format(
                    self._jobs_folder, error.strerror
                )
            )
            return
        self._launch()

    @Slot()
    def resume(self) -> None:
        """Go on with the run that was interrupted last; ignored where there is none, and while one is going on."""
        if self.is_running or self._interrupted is None:
            return
        self._run_folder, self._interrupted = self._interrupted, None
        self._launch("--resume")

    def _launch(self, *options: str) -> None:
        self._is_cancelled, self._unread, self._outcome, self._error = False, b"", None, None
        self._log_tail.clear()
        program, *arguments = self._command
        job_file = str(self._run_folder and self._run_folder / JOB_FILE)
        self._process.start(program, [*arguments, "--job", job_file, "--json", *options])
        self._process.closeWriteChannel()

    @Slot()
    def cancel(self) -> None:
        """Ask the child to end; it is killed if it has not after 10 s. `cancelled` follows."""
        if self.is_running and not self._is_cancelled:
            self._is_cancelled = True
            self._process.terminate()
            self._kill_timer.start()

    def stop(self) -> None:
        """Cancel and wait until the child is gone: for closing the application. Blocks for little over 3 s at most."""
        if not self.is_running:
            return
        self.cancel()
        if not self._process.waitForFinished(STOP_MS):
            self._process.kill()
            self._process.waitForFinished(STOP_MS)

    def _make_run_folder(self, name: str) -> Path:
        plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "model"
        folder = self._jobs_folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{plain[:40]}"
        folder.mkdir(parents=True)
        return folder

    def _end_run_folder(self) -> None:
        """Keep the folder of a run without a model where it can be continued, else remove it."""
        folder, self._run_folder = self._run_folder, None
        if folder is None:
            return
        if _order_of(folder) is not None:
            self._interrupted = folder
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def _give_up_interrupted(self) -> None:
        if self._interrupted is not None:
            shutil.rmtree(self._interrupted, ignore_errors=True)
            self._interrupted = None

    @Slot()
    def _on_started(self) -> None:
        lower_priority(self._process)

    @Slot()
    def _on_output(self) -> None:
        self._unread += bytes(self._process.readAllStandardOutput().data())
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._unread) > LONGEST_LINE_BYTES:
            self._unread = b""

    def _take_line(self, line: bytes) -> None:
        match parse_event(line):
            case TrainingStarted() as found:
                self.started.emit(found)
            case TrainingPlan() as plan:
                self.planned.emit(plan)
            case TrainingProgress() as progress:
                self.progressed.emit(progress)
            case TrainingLosses() as losses:
                self.measured.emit(losses)
            case TrainingSamples() as samples:
                self.sampled.emit(samples)
            case TrainingOutcome() as outcome:
                self._outcome = outcome
            case ChildError(message):
                self._error = message
            case None:
                self._log(line)

    @Slot()
    def _on_words(self) -> None:
        for line in bytes(self._process.readAllStandardError().data()).splitlines():
            self._log(line)

    def _log(self, line: bytes) -> None:
        if text := line.decode("utf-8", errors="replace").strip():
            self._log_tail.append(text)
            self.logged.emit(text)

    @Slot(QProcess.ProcessError)
    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # every other error is followed by `finished`
            self._end_run_folder()
            self.failed.emit(
                self.tr("Training cannot be started: {}. Check the installation with `loupe doctor`.").format(
                    self._process.errorString()
                )
            )

    @Slot(int, QProcess.ExitStatus)
    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._kill_timer.stop()
        self._on_output()
        self._on_words()
        if self._unread:
            self._take_line(self._unread)
            self._unread = b""
        outcome = self._outcome
        crashed = status == QProcess.ExitStatus.CrashExit
        if not self._is_cancelled and not crashed and exit_code == 0 and outcome and outcome.file.is_file():
            self._run_folder = None
            self.succeeded.emit(outcome)
            return
        self._end_run_folder()
        if self._is_cancelled:
            self.cancelled.emit()
        else:
            self.failed.emit(self._reason(exit_code, crashed))

    def _reason(self, exit_code: int, crashed: bool) -> str:
        if self._error:
            return self._error
        if crashed:
            return self.tr(
                "Training was ended by the system, most often for lack of memory. Choose a smaller size or fewer "
                "pictures, close other programs, and train again."
            )
        last = self._log_tail[-1] if self._log_tail else self.tr("it said nothing")
        if exit_code == 0:
            return self.tr("Training ended without a model ({}). Train again; the log tells more.").format(last)
        return self.tr("Training failed with code {}: {}. The log tells more.").format(exit_code, last)


def _last_interrupted(jobs_folder: Path) -> Path | None:
    """The folder of the latest run that can be continued: their names begin with the time."""
    folders = sorted({file.parent for file in jobs_folder.glob("*/*.resume")}, reverse=True)
    return next((folder for folder in folders if _order_of(folder) is not None), None)


def _order_of(folder: Path) -> TrainingJob | None:
    """The order of a run that can be continued; None for all others."""
    try:
        job = TrainingJob.load(folder / JOB_FILE)
    except ParameterError:
        return None
    return job if job.resume_file.is_file() else None
