"""Storing parts from the inspection thread: what cannot be stored becomes a FAULT, and that is stored if it fits."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from station.core.errors import StorageError
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection
from station.core.ports import InspectionLog
from station.core.verdict import Verdict

log = logging.getLogger(__name__)


class FrameLog(InspectionLog, Protocol):
    """The log as the worker needs it: it may write in the background what will be recorded a moment later."""

    def prepare(self, frame: Frame) -> object:
        """The frame is about to be scored."""
        ...

    def prepare_map(self, inspected: Inspected) -> None:
        """The part is judged, its views have yet to be made."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What became of a part: `inspection` is as it stands in the history.

    `problem` says why it could not be stored as it was judged; `is_stored` is False only for a FAULT that the disk
    would not take either.
    """

    inspection: Inspection
    problem: str = ""
    is_stored: bool = True


class Recorder:
    """Lives in the inspection thread. Opens the log where there is none, with each part anew until that succeeds."""

    def __init__(self, open_log: Callable[[], FrameLog]) -> None:
        self._open_log = open_log
        self._log: FrameLog | None = None

    def renew(self) -> None:
        """Open the log anew."""
        self.close()
        try:
            self._log = self._open_log()
        except StorageError as error:
            log.error("The history cannot be written: %s", error)

    def prepare(self, frame: Frame) -> None:
        if self._log is not None:
            self._log.prepare(frame)

    def prepare_map(self, inspected: Inspected) -> None:
        if self._log is not None:
            self._log.prepare_map(inspected)

    def record(self, inspected: Inspected) -> Recorded:
        """Returns when the part is stored, or will not be; where it is refused as it is, without its pictures."""
        try:
            return Recorded(self._record(inspected))
        except StorageError as error:
            log.error("Part %s was not stored: %s", inspected.inspection.id, error)  # foreseen
            problem = str(error)
        fault = _unstored(inspected.inspection, problem)
        try:
            return Recorded(self._record(Inspected(fault, frame=None, score_map=None)), problem)
        except StorageError:
            return Recorded(fault, problem, is_stored=False)

    def close(self) -> None:
        """Safe to call twice."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _record(self, inspected: Inspected) -> Inspection:
        if self._log is None:
            self._log = self._open_log()
        return self._log.record(inspected)


def _unstored(inspection: Inspection, problem: str) -> Inspection:
    """The same part as a FAULT: without picture and map it still fits on a disk that is nearly full."""
    return replace(
        inspection,
        verdict=Verdict.FAULT,
        score=None,
        normalised_score=None,
        threshold=None,
        threshold_low=None,
        regions=(),
        fault=f"The result could not be stored. {problem}",
    )
