"""Child processes of ours that tell what they do in lines of JSON: started, watched, stopped. QtCore only.

Each line is an object whose `event` says what it is. What such a child imports, how much memory it takes and how it
ends never reaches the window or the line.
"""

import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import psutil
from pydantic import TypeAdapter, ValidationError
from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal, Slot

from ml.threads import default_threads

STOP_MS = 3000
CANCEL_MS = 10_000
"""For a child to end the step that it is in and to keep what it has."""

LONGEST_LINE_BYTES = 64 * 1024 * 1024  # the scores of a very large data set fit; endless garbage does not
LOG_TAIL_LINES = 20

LOW_NICENESS, LOWEST_IO = 10, 7
"""On Linux and macOS; the classes just below the usual ones on Windows."""

ERROR_EVENT: Final = "error"
"""Every child may say it, with a `message` in plain words, before it ends."""

Events = Mapping[str, TypeAdapter[Any]]
"""What a child may say: the type of the value by the name of the event."""


@dataclass(frozen=True, slots=True)
class ChildError:
    """The child's own last words."""

    message: str


_ERROR = TypeAdapter(ChildError)


class Ending(Enum):
    """What became of a child."""

    DONE = auto()
    FAILED = auto()
    CRASHED = auto()
    NOT_STARTED = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended, and why in words ("" for one that is done or was cancelled). `last_line` is the last that it
    wrote beside its events, `error` what it said of itself; both empty where there was nothing.
    """

    ending: Ending
    words: str = ""
    error: str = ""
    last_line: str = ""
    exit_code: int = 0


def parse_line(line: bytes, events: Events) -> Any | None:
    """A line of a child's output as the value of its event; None for a line that is none of `events`."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    name = str(document.get("event"))
    adapter = _ERROR if name == ERROR_EVENT else events.get(name)
    if adapter is None:
        return None
    try:
        return adapter.validate_python(document)
    except ValidationError:
        return None


class JsonChild(QObject):
    """One child at a time, at low priority. Lives in the GUI thread; nothing here blocks except `stop`.

    A child that outlives a killed station ends at its next line, because nobody reads its output any more.
    """

    told = Signal(object)
    """A value of one of the child's events."""
    logged = Signal(str)
    """One line of the child's own words: what is no event, and all of its standard error."""
    ended = Signal(object)
    """ChildEnd: the child is gone, and another may be started."""

    def __init__(
        self, command: Sequence[str], events: Events, what: str, advice: str = "", parent: QObject | None = None
    ) -> None:
        """`command` is the child without the arguments of one run. `what` it does begins the sentences about its end
        ("Training"); `advice` is what to do when memory did not suffice, a sentence.
        """
        super().__init__(parent)
        self.command, self._events = tuple(command), events
        self._what = what
        self._advice = advice or self.tr("Close other programs and try again.")
        self._unread = b""
        self._error = ""
        self._is_cancelled = False
        self._log_tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        self._process = QProcess(self)
        self._process.setProcessEnvironment(child_environment())
        self._kill_timer = QTimer(self, singleShot=True)
        self._process.started.connect(self._on_started)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.readyReadStandardError.connect(self._on_words)
        self._process.errorOccurred.connect(self._on_error)
        self._process.finished.connect(self._on_finished)
        self._kill_timer.timeout.connect(self._process.kill)

    @property
    def is_running(self) -> bool:
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self, *arguments: str) -> None:
        """Run the command with `arguments`; ignored while a child is running. `ended` follows in any case."""
        if self.is_running:
            return
        self._unread, self._error, self._is_cancelled = b"", "", False
        self._log_tail.clear()
        program, *first = self.command
        self._process.start(program, [*first, *arguments])
        self._process.closeWriteChannel()

    @Slot()
    def cancel(self) -> None:
        """Ask the child to end; it is killed if it has not after `CANCEL_MS`."""
        if self.is_running and not self._is_cancelled:
            self._is_cancelled = True
            self._process.terminate()
            self._kill_timer.start(CANCEL_MS)

    @Slot()
    def kill(self) -> None:
        """End a child that keeps nothing of what it does."""
        if self.is_running:
            self._is_cancelled = True
            self._process.kill()

    def stop(self) -> None:
        """Cancel and wait until the child is gone: for closing the application. Blocks for 6 s at most."""
        if not self.is_running:
            return
        self.cancel()
        if not self._process.waitForFinished(STOP_MS):
            self._process.kill()
            self._process.waitForFinished(STOP_MS)

    @Slot()
    def _on_started(self) -> None:
        lower_priority(self._process.processId())

    @Slot()
    def _on_output(self) -> None:
        self._unread += bytes(self._process.readAllStandardOutput().data())
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._unread) > LONGEST_LINE_BYTES:
            self._unread = b""

    def _take_line(self, line: bytes) -> None:
        match parse_line(line, self._events):
            case None:
                self._log(line)
            case ChildError(message):
                self._error = message
            case event:
                self.told.emit(event)

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
            words = self.tr("{} cannot be started: {}. Check the installation with `loupe doctor`.")
            self._end(Ending.NOT_STARTED, words.format(self._what, self._process.errorString()))

    @Slot(int, QProcess.ExitStatus)
    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._kill_timer.stop()
        self._on_output()
        self._on_words()
        if self._unread:
            self._take_line(self._unread)
            self._unread = b""
        if self._is_cancelled:
            self._end(Ending.CANCELLED, exit_code=exit_code)
        elif status == QProcess.ExitStatus.CrashExit:
            words = self.tr("{} was ended by the system, most often for lack of memory. {}")
            self._end(Ending.CRASHED, self._error or words.format(self._what, self._advice), exit_code)
        elif exit_code:
            words = self.tr("{} failed with code {}: {}. The log tells more.")
            said = self._log_tail[-1] if self._log_tail else self.tr("it said nothing")
            self._end(Ending.FAILED, self._error or words.format(self._what, exit_code, said), exit_code)
        else:
            self._end(Ending.DONE)

    def _end(self, ending: Ending, words: str = "", exit_code: int = 0) -> None:
        last = self._log_tail[-1] if self._log_tail else ""
        self.ended.emit(ChildEnd(ending, words, self._error, last, exit_code))


def child_environment() -> QProcessEnvironment:
    """Ours, with output in UTF-8 that comes at once, and threads that leave the line a core of its own.

    torch's usual threads take every core and spin while they wait. With these, an inspection beside a training took
    as long as without it in the median, and a quarter longer in the slowest twentieth (two cores). What the user sets
    stays.
    """
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    for name, value in considerate_threads(os.environ).items():
        environment.insert(name, value)
    return environment


def considerate_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that `environment` lacks for a child that computes beside the line."""
    wanted = {"OMP_NUM_THREADS": str(default_threads()), "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    return {name: value for name, value in wanted.items() if name not in environment}


def lower_priority(process_id: int) -> None:
    """Let the line go first, on the processor and on the disk. Call as soon as the process has started, before it has
    threads: on Linux a priority belongs to a thread and is inherited.
    """
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(process_id).nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", LOW_NICENESS))
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "linux":
            # Not "idle": who holds the file system's journal and waits for ever holds up all who need it.
            psutil.Process(process_id).ionice(psutil.IOPRIO_CLASS_BE, LOWEST_IO)
        elif sys.platform == "win32":
            psutil.Process(process_id).ionice(psutil.IOPRIO_LOW)
