"""Enter on a button: Qt presses it only with Space outside dialogs, and people expect both."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget


def press_by_enter(within: QWidget, event: QKeyEvent) -> bool:
    """Press the button below `within` that has the focus; returns whether the key was Enter.

    For the `keyPressEvent` of `within`, which gets what the focused widget left over. A field that was left by Enter
    may have given the focus to a button elsewhere: that one was not meant.
    """
    if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        return False
    focused = QApplication.focusWidget()
    if isinstance(focused, QAbstractButton) and within.isAncestorOf(focused):
        focused.click()
    return True
