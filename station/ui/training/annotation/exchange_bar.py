"""Annotations from and to other programs: which files, and afterwards what came of it, in words."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QDir, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from ml.annotation.exchange import LeftOut
from ml.annotation.formats import Export, Format
from ml.errors import LoupeError
from station.projects.annotating import AnnotatingDesk, Imported
from station.projects.flow import Flow
from station.ui import theme, tokens
from station.ui.training.annotation import work
from station.ui.widgets.message_banner import Message
from station.workers.queries import Queries

KEY = "exchange"
"""Of its messages."""
MOST_TOLD = 500
"""Reasons; nobody reads more."""


class ExchangeBar(QWidget):
    """Asks which files, and has them read or written. While that lasts nothing must be drawn: both would write the same
    annotations."""

    begun = Signal()
    imported = Signal()
    """Annotations have come, and are the project's."""
    told = Signal(object)
    """Message: what is being done, what came of it, or why nothing did."""

    def __init__(self, flow: Flow, desk: AnnotatingDesk, queries: Queries, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow, self._desk, self._queries = flow, desk, queries
        self._is_busy = False
        self._import = QPushButton(self.tr("Import"))
        self._import.setIcon(theme.icon("download-simple"))
        self._export = QPushButton(self.tr("Export"))
        self._export.setIcon(theme.icon("upload-simple"))
        self._import.setMenu(self._import_menu())
        self._export.setMenu(self._export_menu())
        self._import.setToolTip(self.tr("Take over masks and kinds from another program"))
        self._export.setToolTip(self.tr("Write pictures, masks and kinds for another program"))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        line.addWidget(self._import, 1)
        line.addWidget(self._export, 1)

    @property
    def is_busy(self) -> bool:
        return self._is_busy

    def _import_menu(self) -> QMenu:
        menu = QMenu(self)
        folder = menu.addAction(self.tr("From a folder (MVTec layout, LabelMe, COCO)…"))
        folder.triggered.connect(self._ask_for_folder)
        file = menu.addAction(self.tr("From a file (COCO, LabelMe, list of pictures)…"))
        file.triggered.connect(self._ask_for_file)
        return menu

    def _export_menu(self) -> QMenu:
        menu = QMenu(self)
        names: dict[Format, str] = {
            "mvtec": self.tr("MVTec layout (one mask per picture)…"),
            "coco": self.tr("COCO (every region)…"),
            "labelme": self.tr("LabelMe (every region)…"),
        }
        for form, name in names.items():
            action = menu.addAction(name)
            action.setData(form)
        menu.triggered.connect(self._ask_for_target)
        return menu

    @Slot()
    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder with annotations"), QDir.homePath())
        if chosen:
            self._import_from(Path(chosen))

    @Slot()
    def _ask_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("File of annotations"), QDir.homePath(), self.tr("Annotations (*.json)")
        )
        if chosen:
            self._import_from(Path(chosen))

    @Slot(QAction)
    def _ask_for_target(self, action: QAction) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder to put the export into"), QDir.homePath())
        if chosen:
            self._export_to(free_name(Path(chosen), f"annotations-{action.data()}"), action.data())

    def _import_from(self, path: Path) -> None:
        self._begin(self.tr("Reading annotations from {}").format(path))
        ask = partial(work.import_from, path, self._flow.project, self._desk.store)
        self._queries.ask(ask, then=self._on_imported, otherwise=self._on_failure)

    def _on_imported(self, imported: Imported) -> None:
        try:
            self._desk.adopt(imported)
        except LoupeError as error:
            self._on_failure(str(error))
            return
        words = self.tr("Annotations of {} pictures were taken over.").format(len(imported.now))
        remedy = self.tr("{} others were left out; Details says why.").format(len(imported.left_out))
        self._end(outcome(words, imported.left_out, remedy))
        self.imported.emit()

    def _export_to(self, folder: Path, form: Format) -> None:
        self._begin(self.tr("Writing to {}").format(folder))
        ask = partial(work.export_to, folder, form, self._flow.project, self._desk.store)
        self._queries.ask(ask, then=self._on_exported, otherwise=self._on_failure)

    def _on_exported(self, export: Export) -> None:
        words = self.tr("{} pictures with {} regions were written to {}")
        remedy = self.tr("{} things do not fit this format; Details says which.").format(len(export.left_out))
        self._end(outcome(words.format(export.pictures, export.regions, export.folder), export.left_out, remedy))

    def _on_failure(self, reason: str) -> None:
        self._end(Message(KEY, reason))

    def _begin(self, what: str) -> None:
        self._is_busy = True
        self.begun.emit()
        self._set_enabled(False)
        self.told.emit(Message(KEY, what, severity="notice"))

    def _end(self, message: Message) -> None:
        self._is_busy = False
        self._set_enabled(True)
        self.told.emit(message)

    def _set_enabled(self, is_enabled: bool) -> None:
        for button in (self._import, self._export):
            button.setEnabled(is_enabled)


def free_name(folder: Path, name: str) -> Path:
    """`folder` itself where it is empty, else a folder in it that does not exist yet."""
    if not any(folder.iterdir()):
        return folder
    wanted, number = folder / name, 1
    while wanted.exists():
        number += 1
        wanted = folder / f"{name}-{number}"
    return wanted


def outcome(what: str, left_out: Sequence[LeftOut], remedy: str) -> Message:
    """What came of an import or export; `remedy` where something was left out."""
    lines = [f"{one.what}: {one.why}" for one in left_out[:MOST_TOLD]]
    if len(left_out) > MOST_TOLD:
        lines.append(f"... {len(left_out) - MOST_TOLD}")
    return Message(
        key=KEY,
        what=what,
        remedy=remedy if left_out else "",
        details="\n".join(lines),
        severity="notice",
    )
