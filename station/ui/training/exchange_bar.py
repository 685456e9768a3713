"""Annotations from and to other programs: which files, and afterwards what came of it, in words."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QDir, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from ml.annotation.exchange import LeftOut
from ml.annotation.formats import Format
from station.ui import theme, tokens
from station.ui.widgets.message_banner import Message

MOST_TOLD = 500
"""Reasons; nobody reads more."""


class ExchangeBar(QWidget):
    import_requested = Signal(object)
    """Path of a file or folder, its format unknown."""
    export_requested = Signal(str, object)
    """`Format`, and the Path of a folder that does not exist yet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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

    def set_busy(self, is_busy: bool) -> None:
        self._import.setEnabled(not is_busy)
        self._export.setEnabled(not is_busy)

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
            self.import_requested.emit(Path(chosen))

    @Slot()
    def _ask_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("File of annotations"), QDir.homePath(), self.tr("Annotations (*.json)")
        )
        if chosen:
            self.import_requested.emit(Path(chosen))

    @Slot(QAction)
    def _ask_for_target(self, action: QAction) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder to put the export into"), QDir.homePath())
        if chosen:
            self.export_requested.emit(action.data(), free_name(Path(chosen), f"annotations-{action.data()}"))


def free_name(folder: Path, name: str) -> Path:
    """`folder` itself where it is empty, else a folder in it that does not exist yet."""
    if not any(folder.iterdir()):
        return folder
    wanted, number = folder / name, 1
    while wanted.exists():
        number += 1
        wanted = folder / f"{name}-{number}"
    return wanted


def told(what: str, left_out: Sequence[LeftOut], remedy: str) -> Message:
    """What came of an import or export; `remedy` where something was left out."""
    lines = [f"{one.what}: {one.why}" for one in left_out[:MOST_TOLD]]
    if len(left_out) > MOST_TOLD:
        lines.append(f"... {len(left_out) - MOST_TOLD}")
    return Message(
        key="exchange",
        what=what,
        remedy=remedy if left_out else "",
        details="\n".join(lines),
        severity="notice",
    )
