"""What is queued for training, and what would come next: at the right of the page Method."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from station.projects.project import Candidate
from station.ui import theme, tokens
from station.ui.training.words import candidate_words
from station.ui.widgets.card import Card

LEAST_PX, MOST_PX = 288, 420


class QueuedList(Card):
    """The order that the page shows, and the candidates that were queued before."""

    add_requested = Signal()
    """Queue what is shown, so that another one can be chosen beside it."""
    remove_requested = Signal(str)
    """Id of a candidate that waits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setMinimumWidth(LEAST_PX)
        self.setMaximumWidth(MOST_PX)
        self.rows: list[_QueuedRow] = []
        self._shown = theme.label("", "emphasised", bold=True)
        self._shown.setWordWrap(True)
        self._takes = theme.label("", "caption", "secondary")
        self._takes.setWordWrap(True)
        self.add_another = QPushButton(" " + self.tr("Add another candidate"))
        self.add_another.setIcon(theme.icon("plus"))
        self.add_another.setToolTip(self.tr("Queue this one, then choose another to compare it with"))
        self._inner = QWidget()
        self._rows = QVBoxLayout(self._inner)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(tokens.S)
        self._rows.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._inner)
        self._head = theme.label(self.tr("Queued"), "caption", "secondary")
        self.add(theme.label(self.tr("Chosen now"), "caption", "secondary"))
        self.add(self._shown)
        self.add(self._takes)
        self.add(self.add_another)
        self.add(self._head)
        self.add(scroll, 1)
        self.add_another.clicked.connect(self.add_requested)

    def show_choice(self, title: str, takes: str, *, is_queued: bool, can_add: bool) -> None:
        """`takes`: how long the training will take, in words."""
        self._shown.setText(title)
        words = [takes, self.tr("Queued already") if is_queued else ""]
        self._takes.setText(". ".join(each for each in words if each))
        self._takes.setVisible(any(words))
        self.add_another.setEnabled(can_add and not is_queued)

    def show_candidates(self, candidates: tuple[Candidate, ...]) -> None:
        self._head.setVisible(bool(candidates))
        for row in self.rows:
            self._rows.removeWidget(row)
            row.deleteLater()
        self.rows = [_QueuedRow(one) for one in candidates]
        for number, row in enumerate(self.rows):
            row.remove_requested.connect(self.remove_requested)
            self._rows.insertWidget(number, row)


class _QueuedRow(QWidget):
    remove_requested = Signal(str)

    def __init__(self, candidate: Candidate, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._id = candidate.id
        title = theme.label(candidate.title)
        title.setWordWrap(True)
        state = theme.label(candidate_words(candidate), "caption", "secondary")
        state.setWordWrap(True)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(title)
        words.addWidget(state)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        line.addLayout(words, 1)
        if candidate.state == "waiting":
            remove = self.remove = QPushButton()
            remove.setIcon(theme.icon("x"))
            remove.setFixedWidth(tokens.CONTROL_PX + 2 * tokens.XS)
            theme.mark(remove, "kind", "quiet")
            remove.setToolTip(self.tr("Remove {} from the queue").format(candidate.title))
            remove.setAccessibleName(remove.toolTip())
            remove.clicked.connect(self._tell)
            line.addWidget(remove, 0, Qt.AlignmentFlag.AlignTop)

    @Slot()
    def _tell(self) -> None:
        self.remove_requested.emit(self._id)
