"""The navigation rail at the left: one button per page."""

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.shell.page_entry import PageEntry


class Rail(QFrame):
    """Exactly one button is checked: the page that is open."""

    page_requested = Signal(str)  # name of the page the user wants

    def __init__(self, entries: tuple[PageEntry, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(tokens.RAIL_PX)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.XS, tokens.S, tokens.XS, tokens.S)
        column.setSpacing(tokens.S)
        for number, entry in enumerate(entries, start=1):
            column.addWidget(self._button(entry, number), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._group.buttonClicked.connect(self._request)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def _button(self, entry: PageEntry, number: int) -> QToolButton:
        button = QToolButton()
        button.setObjectName(entry.name)
        button.setText(entry.title)
        button.setFont(theme.font("caption"))
        button.setIcon(theme.icon(entry.glyph, "secondary", "accent"))
        button.setIconSize(QSize(tokens.XL, tokens.XL))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setToolTip(self.tr("{title}  (Ctrl+{number})").format(title=entry.title, number=number))
        self._group.addButton(button)
        self._buttons[entry.name] = button
        return button

    @Slot(QAbstractButton)
    def _request(self, button: QAbstractButton) -> None:
        self.page_requested.emit(button.objectName())
