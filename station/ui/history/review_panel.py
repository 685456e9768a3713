"""Looking back at a part: what people found, and the keys to say so."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from station.history.records import Finding, Review
from station.ui import theme, tokens
from station.ui.history.part_pictures import StoredPart
from station.ui.history.words import finding_word, local_date, local_time
from station.ui.inspect.view import findings_for

NOTE_LENGTH = 500
SHOWN_REVIEWS = 4
ONE_ROW_PX = 560


class ReviewPanel(QWidget):
    """Only findings that make sense for the verdict can be chosen; a finding is stored for good."""

    finding_chosen = Signal(str)
    """Finding about the part shown."""
    next_chosen = Signal()
    """The part below in the table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = theme.label("", "caption", "secondary")
        self._history.setWordWrap(True)
        self.note = QLineEdit()
        self.note.setMaxLength(NOTE_LENGTH)
        self.note.setPlaceholderText(self.tr("Note (then Enter, and 1, 2 or 3)"))
        self.note.setAccessibleName(self.tr("Note"))
        self._buttons: dict[Finding, QPushButton] = {
            "confirmed": self._button(self.tr("1  Confirm"), self.tr("The verdict was right  (1)"), "check"),
            "false_call": self._button(self.tr("2  False call"), self.tr("The part is good  (2)"), "thumbs-up"),
            "escape": self._button(self.tr("3  Escape"), self.tr("The part is bad  (3)"), "sign-out"),
        }
        self._next = self._button(self.tr("4  Next"), self.tr("The next older part  (4)"), "arrow-down")
        self._arrange()
        for finding, button in self._buttons.items():
            button.setObjectName(finding)
            button.clicked.connect(self._choose)
        self._next.clicked.connect(self.next_chosen)
        self.show_part(None)

    def show_part(self, part: StoredPart | None) -> None:
        allowed = findings_for(part.inspection.verdict) if part else ()
        for finding, button in self._buttons.items():
            button.setEnabled(finding in allowed)
        self._next.setEnabled(part is not None)
        self.note.setEnabled(bool(allowed))
        self.note.clear()
        self._history.setText(self._told(part))

    def is_allowed(self, finding: Finding) -> bool:
        return self._buttons[finding].isEnabled()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._flow(4 if event.size().width() >= ONE_ROW_PX else 2)

    def _flow(self, columns: int) -> None:
        for number, button in enumerate((*self._buttons.values(), self._next)):
            self._grid.addWidget(button, number // columns, number % columns)

    def _told(self, part: StoredPart | None) -> str:
        if part is None:
            return ""
        if not findings_for(part.inspection.verdict):
            return self.tr("This part was not judged: there is nothing to review.")
        if not part.reviews:
            return self.tr("Not reviewed yet.")
        lines = [self._line(review) for review in reversed(part.reviews[-SHOWN_REVIEWS:])]
        if len(part.reviews) > SHOWN_REVIEWS:
            lines.append(self.tr("and {} older").format(len(part.reviews) - SHOWN_REVIEWS))
        return "\n".join(lines)

    def _line(self, review: Review) -> str:
        when = f"{local_date(review.reviewed_at)} {local_time(review.reviewed_at)}"
        note = f": {review.note}" if review.note else ""
        return f"{finding_word(review.finding).capitalize()}, {review.reviewer} ({review.role}), {when}{note}"

    def _button(self, text: str, tool_tip: str, glyph: str) -> QPushButton:
        button = QPushButton(f" {text}")
        button.setIcon(theme.icon(glyph))
        button.setToolTip(tool_tip)
        return button

    def _arrange(self) -> None:
        self._grid = QGridLayout()
        self._grid.setSpacing(tokens.S)
        self._flow(2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self._history)
        column.addWidget(self.note)
        column.addLayout(self._grid)

    @Slot()
    def _choose(self) -> None:
        self.finding_chosen.emit(self.sender().objectName())
