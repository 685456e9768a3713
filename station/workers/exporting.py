"""A model for other programs, written in a child process: `loupe export MODEL --out FILE --json`. QtCore only."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from PySide6.QtCore import QObject, Signal, Slot

from station.workers.child import ChildEnd, Ending, Events, JsonChild

EXPORT_COMMAND: Final = (sys.executable, "-m", "station", "export")
SUFFIX_OPENVINO: Final = ".xml"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the export is from the model: shares of the score range, and pictures that it judged otherwise."""

    pictures: int
    score: float
    map: float
    flips: int


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """The files are complete; the first is what a program opens."""

    files: tuple[Path, ...]
    agreement: Agreement


EXPORT_EVENTS: Events = {"exported": TypeAdapter(ExportedModel)}


class Exporter(QObject):
    """One model at a time. Lives in the GUI thread; nothing here blocks except `close`."""

    exported = Signal(object)
    """ExportedModel."""
    failed = Signal(str)
    """Nothing was written; why, and what to do."""

    def __init__(self, command: Sequence[str] = EXPORT_COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._exported: ExportedModel | None = None
        self._child = JsonChild(command, EXPORT_EVENTS, self.tr("The export"), parent=self)
        self._child.told.connect(self._on_event)
        self._child.ended.connect(self._on_end)

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    def start(self, model: Path, out: Path) -> None:
        """Write `model` to `out`, *.onnx or *.xml for OpenVINO, over what is there; ignored while one is written."""
        self._exported = None
        form = "openvino" if out.suffix.lower() == SUFFIX_OPENVINO else "onnx"
        self._child.start(str(model), "--format", form, "--out", str(out), "--force", "--json")

    def close(self) -> None:
        """Give up what is being written, and wait until the child is gone."""
        self._child.stop()

    @Slot(object)
    def _on_event(self, event: object) -> None:
        if isinstance(event, ExportedModel):
            self._exported = event

    @Slot(object)
    def _on_end(self, end: ChildEnd) -> None:
        if self._exported is not None and end.ending is Ending.DONE:
            self.exported.emit(self._exported)
        elif end.ending is not Ending.CANCELLED:
            self.failed.emit(end.words or self.tr("The export ended without a file. The log tells more."))
