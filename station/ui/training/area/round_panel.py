"""Round parts: look at a ring around a circle that is found on each part."""

import math

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QPushButton, QSpinBox, QVBoxLayout, QWidget

from ml.preprocessing import RingSearch
from station.projects.sight import Sight
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields

MOST_RADIUS_PX = 20_000


class RoundPanel(QWidget):
    ring_changed = Signal(object)
    """RingSearch, or None for none."""
    measure_requested = Signal()
    """The radius of the circle is to be measured on the pictures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ring = RingSearch()
        self._is_on = QCheckBox(self.tr("Look at a ring around a circle"))
        self._settings = QWidget()
        self._low, self._high = (QSpinBox() for _ in range(2))
        self._measure = QPushButton(self.tr("Measure on the pictures"))
        self._inner, self._outer = (QDoubleSpinBox() for _ in range(2))
        self._unwrap = QCheckBox(self.tr("Lay the ring out as a strip"))
        self._words = theme.label("", "caption", "secondary")
        self._words.setWordWrap(True)
        self._arrange()
        self._connect()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self.show_ring(None)

    def show_ring(self, ring: RingSearch | None) -> None:
        """The search in force, None for none."""
        self._ring = ring or self._ring
        low, high = self._ring.radius_px or (0, 0)
        told = self._is_on, self._low, self._high, self._inner, self._outer, self._unwrap
        blockers = [QSignalBlocker(field) for field in told]
        self._is_on.setChecked(ring is not None)
        self._low.setValue(math.floor(low))
        self._high.setValue(math.ceil(high))
        self._inner.setValue(self._ring.inner)
        self._outer.setValue(self._ring.outer)
        self._unwrap.setChecked(self._ring.unwrap)
        for blocker in blockers:
            blocker.unblock()
        self._settings.setVisible(ring is not None)

    def show_sight(self, sight: Sight) -> None:
        """What was found on the picture shown."""
        if sight.looks.ring is None or sight.looks.ring.radius_px is None:
            return
        words = "" if sight.circle is None else self.tr("A circle of {} px radius").format(round(sight.circle.radius))
        self.show_found(sight.problem or words, is_problem=bool(sight.problem))

    def show_found(self, words: str, *, is_problem: bool = False) -> None:
        """What was found on the picture shown, or on all."""
        self._words.setText(words)
        self._words.setVisible(bool(words))
        theme.mark(self._words, "tone", "fault" if is_problem else "secondary")

    def _arrange(self) -> None:
        card = Card(self.tr("Round part"))
        card.add(self._is_on)
        for field, name in ((self._low, self.tr("Smallest radius")), (self._high, self.tr("Largest radius"))):
            field.setRange(0, MOST_RADIUS_PX)
            field.setSpecialValueText(self.tr("–"))
            field.setAccessibleName(name)
            field.setSuffix(self.tr(" px"))
            field.setKeyboardTracking(False)
        for end, name in ((self._inner, self.tr("Inner end")), (self._outer, self.tr("Outer end"))):
            end.setRange(0, 20)
            end.setSingleStep(0.05)
            end.setDecimals(2)
            end.setSuffix(self.tr(" × radius"))
            end.setAccessibleName(name)
            end.setKeyboardTracking(False)
        form = FieldLayout()
        form.add_field(self.tr("Radius from"), self._low).setToolTip(
            self.tr("Smallest and largest radius of the circle that is searched, in pixels of the picture")
        )
        form.add_field(self.tr("Radius to"), self._high)
        form.addRow("", self._measure)
        form.add_field(self.tr("Ring from"), self._inner)
        form.add_field(self.tr("Ring to"), self._outer)
        column = QVBoxLayout(self._settings)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addLayout(form)
        column.addWidget(self._unwrap)
        column.addWidget(self._words)
        card.add(self._settings)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)
        whole.addStretch(1)

    def _connect(self) -> None:
        self._is_on.toggled.connect(self._tell)
        self._measure.clicked.connect(self.measure_requested)
        for field in (self._low, self._high):
            field.valueChanged.connect(self._tell)
        for end in (self._inner, self._outer):
            end.valueChanged.connect(self._tell)
        self._unwrap.toggled.connect(self._tell)

    @Slot()
    def _tell(self) -> None:
        """Tell the search as it is set now, where that makes sense."""
        if not self._is_on.isChecked():
            self.ring_changed.emit(None)
            return
        low, high = self._low.value(), self._high.value()
        if self._inner.value() >= self._outer.value() or ((low or high) and not 0 < low <= high):
            self.show_found(self.tr("Each first value must lie below the second one."), is_problem=True)
            return
        fields = {
            "radius_px": (float(low), float(high)) if high else None,
            "inner": self._inner.value(),
            "outer": self._outer.value(),
            "unwrap": self._unwrap.isChecked(),
        }
        ring = self._ring.model_copy(update=fields)
        if ring != self._ring or not self._settings.isVisible():
            self.ring_changed.emit(ring)
