"""Above a picture to draw on: which of the project's pictures it is, steps back and forth, zoom."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSpinBox, QWidget

from station.ui import theme, tokens
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.form_fields import FormFields

NUMBER_PX = 88


class PictureBar(QWidget):
    picture_chosen = Signal(int)
    """Number of a picture, from 0."""
    undo_requested = Signal()
    redo_requested = Signal()
    zoom_in_requested = Signal()
    zoom_out_requested = Signal()
    fit_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._previous = _quiet("caret-left", self.tr("Previous picture"), "PgUp")
        self._next = _quiet("caret-right", self.tr("Next picture"), "PgDown")
        self._number = QSpinBox()
        self._number.setAccessibleName(self.tr("Number of the picture"))
        self._number.setFixedWidth(NUMBER_PX)
        self._count = theme.label("", "body", "secondary")
        self._name = ElidedLabel()
        self._undo = _quiet("arrow-u-up-left", self.tr("Undo"), "Ctrl+Z")
        self._redo = _quiet("arrow-u-up-right", self.tr("Redo"), "Ctrl+Shift+Z")
        self._zoom_out = _quiet("minus", self.tr("Zoom out"), "-")
        self._zoom_in = _quiet("plus", self.tr("Zoom in"), "+")
        self._fit = _quiet("corners-in", self.tr("The whole picture"), "Ctrl+0")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.XS)
        for widget in (self._previous, self._number, self._count, self._next):
            line.addWidget(widget)
        line.addSpacing(tokens.S)
        line.addWidget(self._name, 1)
        for widget in (self._undo, self._redo, self._zoom_out, self._zoom_in, self._fit):
            line.addWidget(widget)
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._previous.clicked.connect(self.step_back)
        self._next.clicked.connect(self.step_on)
        self._number.valueChanged.connect(self._on_number)
        self._undo.clicked.connect(self.undo_requested)
        self._redo.clicked.connect(self.redo_requested)
        self._zoom_in.clicked.connect(self.zoom_in_requested)
        self._zoom_out.clicked.connect(self.zoom_out_requested)
        self._fit.clicked.connect(self.fit_requested)

    def show_pictures(self, names: Sequence[str], number: int) -> None:
        """The names of all that can be chosen, and which one is shown."""
        self._names = tuple(names)
        with QSignalBlocker(self._number):
            self._number.setRange(1, max(1, len(names)))
            self._number.setValue(number + 1)
        self._count.setText(self.tr("of {}").format(len(names)))
        self._show_name()

    def show_steps(self, *, can_undo: bool, can_redo: bool) -> None:
        self._undo.setEnabled(can_undo)
        self._redo.setEnabled(can_redo)

    @Slot()
    def step_back(self) -> None:
        self._number.setValue(self._number.value() - 1)

    @Slot()
    def step_on(self) -> None:
        self._number.setValue(self._number.value() + 1)

    @Slot()
    def _on_number(self) -> None:
        self._show_name()
        self.picture_chosen.emit(self._number.value() - 1)

    def _show_name(self) -> None:
        number = self._number.value() - 1
        self._name.setText(self._names[number] if number < len(self._names) else "")
        self._previous.setEnabled(number > 0)
        self._next.setEnabled(number + 1 < len(self._names))


def _quiet(glyph: str, words: str, key: str) -> QPushButton:
    """A button of an icon; its key is bound by the page."""
    made = QPushButton()
    made.setIcon(theme.icon(glyph))
    made.setFixedWidth(tokens.CONTROL_PX + tokens.XS)
    made.setToolTip(f"{words}  ({key})")
    made.setAccessibleName(words)
    theme.mark(made, "kind", "quiet")
    return made
