"""Scoring pictures in a child process: `loupe judge MODEL LIST --out FOLDER --json`. QtCore only."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from PySide6.QtCore import QObject, Signal, Slot

from station.workers.child import ChildEnd, Ending, JsonChild

JUDGE_COMMAND: Final = (sys.executable, "-m", "station", "judge")


@dataclass(frozen=True, slots=True)
class ScoringProgress:
    """How many of the pictures are scored; `eta_s` is None while it cannot be told."""

    done: int
    total: int
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredSheet:
    """The sheet is complete in `folder`; `faults` of its pictures could not be scored."""

    folder: Path
    model_hash: str
    pictures: int
    faults: int = 0


@dataclass(frozen=True, slots=True)
class _Scored:
    """One picture is; the sheet tells more."""

    name: str


_EVENTS: Mapping[str, TypeAdapter[Any]] = {
    "progress": TypeAdapter(ScoringProgress),
    "scored": TypeAdapter(_Scored),
    "sheet": TypeAdapter(ScoredSheet),
}


class ScoringProcess(QObject):
    """One list at a time. Lives in the GUI thread; nothing here blocks except `stop`."""

    progressed = Signal(object)
    """ScoringProgress."""
    succeeded = Signal(object)
    """ScoredSheet."""
    failed = Signal(str)
    """No sheet was written; why, and what to do."""
    cancelled = Signal()
    """Stopped on request; no sheet was written."""

    def __init__(self, command: Sequence[str] = JUDGE_COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sheet: ScoredSheet | None = None
        self._child = JsonChild(command, _EVENTS, self.tr("Scoring"), parent=self)
        self._child.told.connect(self._on_told)
        self._child.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    def start(self, model: Path, pictures: Path, out: Path) -> None:
        """Score the `pictures` of a list, or of a folder, into the folder `out`; ignored while a list is scored."""
        if not self.is_running:
            self._sheet = None
            self._child.start(str(model), str(pictures), "--out", str(out), "--json")

    @Slot()
    def cancel(self) -> None:
        self._child.cancel()

    def stop(self) -> None:
        """Cancel and wait until the child is gone."""
        self._child.stop()

    @Slot(object)
    def _on_told(self, event: object) -> None:
        match event:
            case ScoringProgress():
                self.progressed.emit(event)
            case ScoredSheet():
                self._sheet = event

    @Slot(object)
    def _on_ended(self, end: ChildEnd) -> None:
        if end.ending is Ending.CANCELLED:
            self.cancelled.emit()
        elif end.ending is not Ending.DONE:
            self.failed.emit(end.words)
        elif self._sheet is None:
            self.failed.emit(self.tr("Scoring ended without a result. Try again."))
        else:
            self.succeeded.emit(self._sheet)
