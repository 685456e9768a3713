"""What stands beside the queue while nothing runs: what comes next, or why the last run has no model."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.tokens import Role
from station.ui.widgets.card import Card
from station.ui.widgets.icon_label import IconLabel

ICON_PX = 64
WORDS_PX = 560


class NoticePanel(Card):
    """An icon, a title, words; below, where they matter, the last run's own words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._icon = IconLabel("graduation-cap", ICON_PX, "disabled")
        self._title = theme.label("", "title", bold=True)
        self._words = theme.label("", "body", "secondary")
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setAccessibleName(self.tr("Log"))
        for label in (self._title, self._words):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout()
        column.setSpacing(tokens.M)
        column.addStretch(1)
        column.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (self._title, self._words):
            label.setMaximumWidth(WORDS_PX)
            line = QHBoxLayout()
            line.addStretch(1)
            line.addWidget(label, 8)
            line.addStretch(1)
            column.addLayout(line)
        column.addStretch(2)
        self.add(column, 1)
        self.add(self._log, 1)
        self._log.hide()

    def tell(
        self,
        title: str,
        words: str,
        log: str = "",
        *,
        glyph: str = "graduation-cap",
        role: Role = "disabled",
    ) -> None:
        """`log`: the last run's own words, where they matter."""
        self._icon.show_glyph(glyph, role)
        self._title.setText(title)
        self._words.setText(words)
        self._log.setPlainText(log)
        self._log.setVisible(bool(log))
