"""The picture source, and a picture of it on trial."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from station.settings import Settings
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.source_field import SourceField
from station.workers.source_test import SourceTrial

PREVIEW_PX = 160


class SourceCard(Card):
    """Every complete source is told at once; *Test* tries it apart from the line."""

    source_chosen = Signal(str)
    """Specification of the source."""
    interval_chosen = Signal(float)
    """Seconds from part to part in continuous mode."""
    test_requested = Signal(str)
    """Specification to take one picture from."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.add(theme.label(self.tr("Pictures come from"), "emphasised", bold=True))
        self.source = SourceField()
        self._interval = QDoubleSpinBox()
        self._interval.setRange(0, 3600)
        self._interval.setDecimals(1)
        self._interval.setSingleStep(0.1)
        self._interval.setSuffix(" s")
        self._interval.setToolTip(self.tr("Pause between two parts in continuous mode"))
        self._test = QPushButton(" " + self.tr("Test"))
        self._test.setIcon(theme.icon("camera"))
        self._test.setToolTip(self.tr("Take one picture now; it is not inspected"))
        self._outcome = theme.label("", "body", "secondary")
        self._outcome.setWordWrap(True)
        self._preview = QLabel()
        self._preview.hide()
        words = QVBoxLayout()
        words.setSpacing(tokens.S)
        line = QHBoxLayout()
        line.addWidget(self._test)
        line.addStretch(1)
        words.addLayout(line)
        words.addWidget(self._outcome)
        words.addStretch(1)
        trial = QHBoxLayout()
        trial.setSpacing(tokens.L)
        trial.addLayout(words, 1)
        trial.addWidget(self._preview)
        form = FieldLayout()
        form.add_field(self.tr("Source"), self.source)
        form.add_field("", trial)
        form.add_field(self.tr("Continuous, every"), self._interval)
        self.add(form)
        self.source.spec_changed.connect(self.source_chosen)
        self.source.spec_changed.connect(self._forget_trial)
        self._interval.valueChanged.connect(self.interval_chosen)
        self._test.clicked.connect(self._ask)

    def show_settings(self, settings: Settings) -> None:
        self.source.set_spec(settings.source)
        self._interval.blockSignals(True)
        self._interval.setValue(settings.continuous_interval_s)
        self._interval.blockSignals(False)

    def show_trial(self, trial: SourceTrial) -> None:
        self._test.setEnabled(True)
        if trial.picture is None:
            theme.mark(self._outcome, "tone", "fault")
            self._outcome.setText(trial.problem)
            self._preview.hide()
            return
        theme.mark(self._outcome, "tone", "secondary")
        self._outcome.setText(
            self.tr("Works: {} × {}\u00a0px, {}\u00a0bit, {:.1f}\u00a0s").format(
                trial.width_px, trial.height_px, trial.bit_depth, trial.seconds
            )
        )
        height, width = trial.picture.shape[:2]
        image = QImage(trial.picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._preview.setPixmap(QPixmap.fromImage(image).scaledToHeight(PREVIEW_PX))
        self._preview.show()

    @Slot()
    def _ask(self) -> None:
        if self.source.tell_problem():
            return
        self._test.setEnabled(False)
        self._preview.hide()
        theme.mark(self._outcome, "tone", "secondary")
        self._outcome.setText(self.tr("Waiting for a picture"))
        self.test_requested.emit(self.source.spec())

    @Slot()
    def _forget_trial(self) -> None:
        self._outcome.setText("")
        self._preview.hide()
