"""A titled area of a page."""

from PySide6.QtWidgets import QFrame, QLayout, QVBoxLayout, QWidget

from station.ui import theme, tokens


class Card(QFrame):
    """Title, then what is added, top down."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.L)
        self._column.setSpacing(tokens.S)
        if title:
            self._column.addWidget(theme.label(title, "emphasised", bold=True))

    def add(self, content: QWidget | QLayout, stretch: int = 0) -> None:
        if isinstance(content, QWidget):
            self._column.addWidget(content, stretch)
        else:
            self._column.addLayout(content, stretch)

    def add_stretch(self) -> None:
        self._column.addStretch(1)
