"""What Qt leaves undone for fields in a scrolling form."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QWidget

from station.ui import tokens


class FormFields(QObject):
    """Fields take the wheel only with the focus, so that scrolling changes none that passes under the pointer; numbers
    stand as far from the edge as text does (a style sheet does not reach the text within a spin box)."""

    def tend(self, form: QWidget) -> None:
        """Apply to every field that `form` has now."""
        for kind in (QAbstractSpinBox, QComboBox, QSlider):
            for field in form.findChildren(kind):
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                field.installEventFilter(self)
        for box in form.findChildren(QAbstractSpinBox):
            for text in box.findChildren(QLineEdit):
                text.setTextMargins(tokens.S, 0, 0, 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)
