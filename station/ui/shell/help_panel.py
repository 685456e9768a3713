"""F1: the keys of the page, over the page, gone with Esc or F1."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.shell.page_entry import HelpKey, PageEntry

WIDTH_PX = 420


class HelpPanel(QFrame):
    """Rebuilt for the page each time it opens."""

    closed = Signal()  # the user is done reading; the focus may go back

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("helpPanel")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(tokens.XL, tokens.XL, tokens.XL, tokens.XL)
        self._column.setSpacing(tokens.M)
        self._content: QWidget | None = None
        self.hide()

    def open_for(self, entry: PageEntry, general: tuple[HelpKey, ...]) -> None:
        if self._content is not None:
            self._column.removeWidget(self._content)
            self._content.deleteLater()
        self._content = self._make_content(entry, general)
        self._column.addWidget(self._content)
        self.setFixedWidth(WIDTH_PX)
        self.adjustSize()
        self.place()
        self.show()
        self.raise_()
        self.setFocus()

    def place(self) -> None:
        """At the right, under the top edge of the window."""
        area = self._over.rect()
        self.setFixedHeight(min(self.sizeHint().height(), area.height() - 2 * tokens.XL))
        self.move(area.width() - self.width() - tokens.XL, tokens.XL)

    def event(self, event: QEvent) -> bool:
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._close()
        else:
            super().keyPressEvent(event)

    def _make_content(self, entry: PageEntry, general: tuple[HelpKey, ...]) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(theme.label(entry.title, "title", bold=True))
        if entry.help_text:
            words = theme.label(entry.help_text, "body", "secondary")
            words.setWordWrap(True)
            column.addWidget(words)
        grid = QGridLayout()
        grid.setHorizontalSpacing(tokens.L)
        grid.setVerticalSpacing(tokens.S)
        grid.setColumnStretch(1, 1)
        for row, key in enumerate((*entry.help_keys, *general)):
            cap = theme.label(key.keys, "caption")
            theme.mark(cap, "key", True)
            meaning = theme.label(key.meaning)
            meaning.setWordWrap(True)
            grid.addWidget(cap, row, 0, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(meaning, row, 1)
        column.addLayout(grid)
        done = QPushButton(self.tr("Close  (Esc)"))
        done.clicked.connect(self._close)
        column.addWidget(done, 0, Qt.AlignmentFlag.AlignRight)
        return content

    def _close(self) -> None:
        self.hide()
        self.closed.emit()
