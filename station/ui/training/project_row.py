"""One project in the list: what it is, how far it is, go on or remove."""

from datetime import datetime

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from station.projects.store import ProjectSummary
from station.ui import theme, tokens
from station.ui.training.step_words import step_title
from station.ui.widgets.elided_label import ElidedLabel


class ProjectRow(QFrame):
    """A project that cannot be read says why, and can only be removed."""

    open_requested = Signal(str)
    """Id of the project."""
    remove_requested = Signal(str)
    """Id; nothing has been removed yet."""

    def __init__(self, summary: ProjectSummary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self._id = summary.id
        name = ElidedLabel(summary.name)
        theme.tag(name, "body", bold=True)
        words = theme.label(_words(self, summary), "caption", "fault" if summary.problem else "secondary")
        words.setWordWrap(True)
        texts = QVBoxLayout()
        texts.setSpacing(tokens.XS)
        texts.addWidget(name)
        texts.addWidget(words)
        go_on = QPushButton(self.tr("Go on"))
        go_on.setAccessibleName(self.tr("Go on with {}").format(summary.name))
        go_on.setVisible(not summary.problem)
        remove = QToolButton()
        remove.setIcon(theme.icon("trash", "secondary"))
        remove.setToolTip(self.tr("Remove this project"))
        remove.setAccessibleName(self.tr("Remove {}").format(summary.name))
        theme.mark(remove, "kind", "quiet")
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.M, tokens.S, tokens.S, tokens.S)
        line.setSpacing(tokens.S)
        line.addLayout(texts, 1)
        line.addWidget(go_on)
        line.addWidget(remove)
        go_on.clicked.connect(self._open)
        remove.clicked.connect(self._remove)

    @Slot()
    def _open(self) -> None:
        self.open_requested.emit(self._id)

    @Slot()
    def _remove(self) -> None:
        self.remove_requested.emit(self._id)


def _words(row: QWidget, summary: ProjectSummary) -> str:
    if summary.problem:
        return summary.problem
    when = datetime.fromtimestamp(summary.changed_s).strftime("%Y-%m-%d %H:%M")
    kind = row.tr("Fine-tunes '{}'").format(summary.recipe) if summary.is_fine_tuning else row.tr("New model")
    pictures = row.tr("1 picture") if summary.pictures == 1 else row.tr("{} pictures").format(summary.pictures)
    return row.tr("{}, {}, at {}, {}").format(kind, pictures, step_title(summary.step), when)
