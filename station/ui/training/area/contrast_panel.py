"""Contrast that is evened out before any method looks at a picture."""

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QSpinBox, QVBoxLayout, QWidget

from ml.preprocessing import Clahe
from station.ui import theme
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields


class ContrastPanel(QWidget):
    clahe_changed = Signal(object)
    """Clahe, or None for none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_on = QCheckBox(self.tr("Even out the contrast"))
        self._settings = QWidget()
        self._clip, self._tiles = QDoubleSpinBox(), QSpinBox()
        self._arrange()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._is_on.toggled.connect(self._tell)
        self._clip.valueChanged.connect(self._tell)
        self._tiles.valueChanged.connect(self._tell)
        self.show_clahe(None)

    def show_clahe(self, clahe: Clahe | None) -> None:
        """What is in force, None for nothing."""
        with QSignalBlocker(self._is_on):
            self._is_on.setChecked(clahe is not None)
        self._settings.setVisible(clahe is not None)
        shown = clahe or Clahe()
        with QSignalBlocker(self._clip), QSignalBlocker(self._tiles):
            self._clip.setValue(shown.clip)
            self._tiles.setValue(shown.tiles)

    def _arrange(self) -> None:
        card = Card(self.tr("Contrast"))
        words = theme.label(self.tr("For light that differs over the part (CLAHE)."), "caption", "secondary")
        words.setWordWrap(True)
        card.add(self._is_on)
        card.add(words)
        for field in (self._clip, self._tiles):
            field.setKeyboardTracking(False)
        self._clip.setRange(0.5, 40)
        self._clip.setSingleStep(0.5)
        self._clip.setDecimals(1)
        self._clip.setAccessibleName(self.tr("Strength"))
        self._tiles.setRange(1, 64)
        self._tiles.setAccessibleName(self.tr("Fields"))
        form = FieldLayout(self._settings)
        form.add_field(self.tr("Strength"), self._clip)
        form.add_field(self.tr("Fields"), self._tiles).setToolTip(
            self.tr("The picture is evened out in so many fields along each side")
        )
        card.add(self._settings)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)
        whole.addStretch(1)

    @Slot()
    def _tell(self) -> None:
        is_on = self._is_on.isChecked()
        self.clahe_changed.emit(Clahe(clip=self._clip.value(), tiles=self._tiles.value()) if is_on else None)
