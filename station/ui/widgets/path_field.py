"""A folder or file to choose: typed, picked in a dialog, or dropped."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from station.ui import theme, tokens


class PathField(QWidget):
    """`wanted` is `folder` or a file filter of Qt such as `Videos (*.mp4)`."""

    path_chosen = Signal(object)
    """Path, or None where the field was emptied."""

    def __init__(self, name: str, wanted: str = "folder", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = wanted
        self.setAcceptDrops(True)
        self._text = QLineEdit()
        self._text.setAccessibleName(name)
        self._text.setAcceptDrops(False)  # the whole field takes drops, as a path and not as text
        self._text.setPlaceholderText(self.tr("Choose a folder") if wanted == "folder" else self.tr("Choose a file"))
        self._choose = QPushButton(" " + self.tr("Choose…"))
        self._choose.setIcon(theme.icon("folder-open" if wanted == "folder" else "file"))
        self._name = name
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        line.addWidget(self._text, 1)
        line.addWidget(self._choose)
        self.setFocusProxy(self._text)
        self._text.editingFinished.connect(self._tell)
        self._choose.clicked.connect(self._ask)
        self._told: Path | None = None

    def path(self) -> Path | None:
        text = self._text.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path | None) -> None:
        """Show `path` without telling it."""
        self._text.setText("" if path is None else str(path))
        self._told = self.path()

    def choose(self, path: Path) -> None:
        """As if the user had picked it."""
        self._text.setText(str(path))
        self._tell()

    def field(self) -> QLineEdit:
        """Where the text stands, to be marked when it is wrong."""
        return self._text

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_path(event)
        if path is not None:
            event.acceptProposedAction()
            self.choose(path)

    @Slot()
    def _tell(self) -> None:
        path = self.path()
        if path != self._told:
            self._told = path
            self.path_chosen.emit(path)

    @Slot()
    def _ask(self) -> None:
        start = str(self.path() or Path.home())
        if self._wanted == "folder":
            chosen = QFileDialog.getExistingDirectory(self, self._name, start)
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, self._name, start, self._wanted)
        if chosen:
            self.choose(Path(chosen))


def dropped_path(event: QDropEvent) -> Path | None:
    """The first local file or folder that is being dropped."""
    for url in event.mimeData().urls():
        if url.isLocalFile() and event.possibleActions() & Qt.DropAction.CopyAction:
            return Path(url.toLocalFile())
    return None
