"""Keys of a page that mean a value: a tool, a number."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget


class ValueKey(QShortcut):
    """A key of a page that means a value."""

    pressed = Signal(object)

    def __init__(self, keys: str, value: object, page: QWidget) -> None:
        super().__init__(QKeySequence(keys), page)
        self._value = value
        self.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.activated.connect(self._tell)

    @Slot()
    def _tell(self) -> None:
        self.pressed.emit(self._value)
