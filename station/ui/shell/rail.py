"""The navigation rail at the left: one button per page."""

from PySide6.QtCore import QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from station.ui import icons, theme, tokens
from station.ui.shell.page_entry import PageEntry


class RailButton(QToolButton):
    """Icon over word, both in the middle: the style would leave the icon at the top of a tall button."""

    def __init__(self, entry: PageEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(entry.name)
        self.setAccessibleName(entry.title)
        self._title, self._glyph = entry.title, entry.glyph
        self.setFont(theme.font("caption"))
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        words_px = self.fontMetrics().height()
        top = (self.height() - tokens.XL - tokens.XS - words_px) // 2
        square = QRectF((self.width() - tokens.XL) / 2, top, tokens.XL, tokens.XL)
        icons.draw_glyph(painter, square, self._glyph, theme.colour("accent" if self.isChecked() else "secondary"))
        painter.setPen(theme.colour("text" if self.isChecked() else "secondary"))
        words = QRect(0, top + tokens.XL + tokens.XS, self.width(), words_px)
        painter.drawText(words, Qt.AlignmentFlag.AlignHCenter, self._title)


class Rail(QFrame):
    """Exactly one button is checked: the page that is open."""

    page_requested = Signal(str)  # name of the page the user wants

    def __init__(self, entries: tuple[PageEntry, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(tokens.RAIL_PX)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, RailButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.XS, tokens.S, tokens.XS, tokens.S)
        column.setSpacing(tokens.S)
        for number, entry in enumerate(entries, start=1):
            column.addWidget(self._button(entry, number), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._group.buttonClicked.connect(self._request)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def _button(self, entry: PageEntry, number: int) -> RailButton:
        button = RailButton(entry)
        button.setToolTip(self.tr("{title}  (Ctrl+{number})").format(title=entry.title, number=number))
        self._group.addButton(button)
        self._buttons[entry.name] = button
        return button

    @Slot(QAbstractButton)
    def _request(self, button: QAbstractButton) -> None:
        self.page_requested.emit(button.objectName())
