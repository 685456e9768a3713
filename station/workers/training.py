"""Training in a child process: `loupe train --job FILE --json`, started, watched and stopped. QtCore only.

A candidate of a project is trained in the folder that the project keeps for it, which stays whatever becomes of the
run, and may be continued there. An order without a project gets a folder of its own, which is removed unless the run
ends with a model: so nothing half-written stays.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Base64Bytes, TypeAdapter
from PySide6.QtCore import QObject, Signal, Slot

from ml.job import TrainingJob
from station.workers.child import ChildEnd, Ending, Events, JsonChild

JOB_FILE = "job.json"
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
class TrainingWarning:
    """What does not stop the run and should be known: memory or disk that may not suffice, for example."""

    message: str


@dataclass(frozen=True, slots=True)
class TrainingSheet:
    """The pictures held out for testing are scored: the folder of their `ml.score_sheet.ScoreSheet`."""

    folder: Path


TrainingEvent = (
    TrainingStarted
    | TrainingPlan
    | TrainingProgress
    | TrainingLosses
    | TrainingSamples
    | TrainingOutcome
    | TrainingSheet
    | TrainingWarning
)

TRAINING_EVENTS: Events = {
    "started": TypeAdapter(TrainingStarted),
    "plan": TypeAdapter(TrainingPlan),
    "progress": TypeAdapter(TrainingProgress),
    "losses": TypeAdapter(TrainingLosses),
    "samples": TypeAdapter(TrainingSamples),
    "result": TypeAdapter(TrainingOutcome),
    "sheet": TypeAdapter(TrainingSheet),
    "warning": TypeAdapter(TrainingWarning),
}


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
    """The run was stopped on request."""

    def __init__(
        self, jobs_folder: Path, command: Sequence[str] = CHILD_COMMAND, parent: QObject | None = None
    ) -> None:
        """`jobs_folder` receives a folder per order without a project; `command` is the child without its `--job` and
        `--json`.
        """
        super().__init__(parent)
        self._jobs_folder = jobs_folder
        self._run_folder: Path | None = None
        self._is_lent = False  # whether the run's folder belongs to a project
        self._title = ""
        self._outcome: TrainingOutcome | None = None
        advice = self.tr("Choose a smaller size or fewer pictures, close other programs, and train again.")
        self._child = JsonChild(command, TRAINING_EVENTS, self.tr("Training"), advice, self)
        self._child.told.connect(self._on_event)
        self._child.logged.connect(self.logged)
        self._child.ended.connect(self._on_end)

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    @property
    def running_in(self) -> Path | None:
        """The folder of the run that is going on."""
        return self._run_folder if self.is_running else None

    @property
    def running_title(self) -> str:
        """What is being trained, for those whose turn it is not; empty while nothing is."""
        return self._title if self.is_running else ""

    def train(self, job: TrainingJob, title: str, *, resume: bool = False) -> None:
        """Carry out `job` in its model's folder, which must be there, or go on with what was interrupted in it.
        Ignored while another run is going on.
        """
        if self.is_running:
            return
        self._run_folder, self._is_lent, self._title = job.out.parent, True, title
        self._write_and_launch(job, *(["--resume"] if resume and job.resume_file.is_file() else []))

    @Slot(object)
    def start(self, job: TrainingJob) -> None:
        """Begin an order without a project: the model's folder becomes the run's own, its file name is kept. A second
        start is ignored.
        """
        if self.is_running:
            return
        self._is_lent, self._title = False, job.model_name
        try:
            self._run_folder = self._make_run_folder(job.model_name)
        except OSError as error:
            self._tell_unwritten(self._jobs_folder, error)
            return
        self._write_and_launch(job.model_copy(update={"out": self._run_folder / job.out.name}))

    def _write_and_launch(self, job: TrainingJob, *options: str) -> None:
        folder = job.out.parent
        try:
            job.save(folder / JOB_FILE)
        except OSError as error:
            self._end_run_folder()
            self._tell_unwritten(folder, error)
            return
        self._outcome = None
        self._child.start("--job", str(folder / JOB_FILE), "--json", *options)

    def _tell_unwritten(self, folder: Path, error: OSError) -> None:
        words = self.tr("The training order cannot be written to {}: {}. Free some space or check the folder.")
        self.failed.emit(words.format(folder, error.strerror))

    @Slot()
    def cancel(self) -> None:
        """Ask the child to end; it is killed if it has not after 10 s. `cancelled` follows."""
        self._child.cancel()

    def stop(self) -> None:
        """Cancel and wait until the child is gone: for closing the application. Blocks for 6 s at most."""
        self._child.stop()

    def _make_run_folder(self, name: str) -> Path:
        plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "model"
        folder = self._jobs_folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{plain[:40]}"
        folder.mkdir(parents=True)
        return folder

    def _end_run_folder(self) -> None:
        folder, self._run_folder = self._run_folder, None
        if folder is not None and not self._is_lent:
            shutil.rmtree(folder, ignore_errors=True)

    @Slot(object)
    def _on_event(self, event: TrainingEvent) -> None:
        match event:
            case TrainingStarted():
                self.started.emit(event)
            case TrainingPlan():
                self.planned.emit(event)
            case TrainingProgress():
                self.progressed.emit(event)
            case TrainingLosses():
                self.measured.emit(event)
            case TrainingSamples():
                self.sampled.emit(event)
            case TrainingWarning(message):
                self.logged.emit(message)
            case TrainingOutcome():
                self._outcome = event
            case TrainingSheet():
                pass  # lies beside the model, where whoever judges it looks

    @Slot(object)
    def _on_end(self, end: ChildEnd) -> None:
        outcome = self._outcome
        # A project's model is complete although judging its test pictures was stopped, or failed: that can be made up.
        may_stay = end.ending is Ending.DONE or self._is_lent
        if may_stay and outcome and outcome.file.is_file():
            self._run_folder = None
            if end.words:
                self.logged.emit(end.words)
            self.succeeded.emit(outcome)
            return
        self._end_run_folder()
        if end.ending is Ending.CANCELLED:
            self.cancelled.emit()
        elif end.ending is Ending.DONE:
            said = end.last_line or self.tr("it said nothing")
            words = self.tr("Training ended without a model ({}). Train again; the log tells more.").format(said)
            self.failed.emit(end.error or words)
        else:
            self.failed.emit(end.words)
