"""Which method, and how much time it may take."""

from typing import Literal, get_args

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QProgressBar, QPushButton, QWidget

from ml.catalogue import METHODS
from station.ui import theme, tokens
from station.ui.training.words import needs_words, short_duration
from station.ui.widgets.card import Card
from station.workers.training import TrainingPlan, TrainingProgress

PresetName = Literal["fast", "balanced", "thorough"]
FIRST_CHOICE = "patchcore"


class MethodCard(Card):
    """One method with a preset, and what training them takes on this machine once that is known."""

    changed = Signal()
    """Another method or preset was chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.title = theme.label(self.tr("Method"), "emphasised", bold=True)
        self._methods = QComboBox()
        self._methods.setAccessibleName(self.tr("Method"))
        for name, info in METHODS.items():
            self._methods.addItem(info.title, name)
        self._summary = theme.label("", "body", "secondary")
        self._needs = theme.label("", "caption", "secondary")
        self._presets = QButtonGroup(self)
        self._chips = self._make_chips()
        self._estimate = theme.label("", "body")
        self._measuring = QProgressBar()
        self._measuring.setTextVisible(False)
        self._measuring.setAccessibleName(self.tr("Progress of the measurement"))
        self._published = theme.label("", "caption", "secondary")
        for label in (self._summary, self._needs, self._estimate, self._published):
            label.setWordWrap(True)
        chips = QHBoxLayout()
        chips.setSpacing(tokens.S)
        for chip in self._chips.values():
            chips.addWidget(chip)
        chips.addStretch(1)
        self.add(self.title)
        for widget in (self._methods, self._summary, self._needs):
            self.add(widget)
        self.add(chips)
        for below in (self._estimate, self._measuring, self._published):
            self.add(below)
        self._methods.setCurrentIndex(self._methods.findData(FIRST_CHOICE))
        self._methods.currentIndexChanged.connect(self._on_change)
        self._presets.buttonToggled.connect(self._on_change)
        self._show_choice()

    @property
    def method(self) -> str:
        return str(self._methods.currentData())

    @property
    def preset(self) -> PresetName:
        return next((name for name, chip in self._chips.items() if chip.isChecked()), "balanced")

    def choose(self, method: str, preset: PresetName | None = None) -> None:
        """As if the user had chosen them."""
        self._methods.setCurrentIndex(self._methods.findData(method))
        if preset is not None:
            self._chips[preset].setChecked(True)

    def show_estimating(self) -> None:
        self._tell(self.tr("Measuring how long it takes on this machine"), is_secondary=True)
        self._measuring.setRange(0, 0)
        self._measuring.show()

    def show_measured(self, progress: TrainingProgress) -> None:
        """How far the measurement is."""
        words = self.tr("Measuring how long it takes on this machine: {}").format(progress.stage)
        self._tell(words, is_secondary=True)
        self._measuring.setRange(0, max(progress.total, 1))
        self._measuring.setValue(progress.done)
        self._measuring.show()

    def show_plan(self, plan: TrainingPlan) -> None:
        words = self.tr("About {} on this machine").format(short_duration(plan.seconds))
        self._tell(f"{words}: {plan.done}" if plan.done else words)

    def show_no_estimate(self, reason: str = "") -> None:
        """Nothing is known of the time; `reason` says why where that is of interest."""
        self._tell(reason, is_secondary=True)

    def _tell(self, words: str, *, is_secondary: bool = False) -> None:
        self._measuring.hide()
        self._estimate.setText(words)
        self._estimate.setVisible(bool(words))
        theme.tag(self._estimate, "body", "secondary" if is_secondary else "text")

    def _make_chips(self) -> dict[PresetName, QPushButton]:
        words: dict[PresetName, str] = {
            "fast": self.tr("Fast"),
            "balanced": self.tr("Balanced"),
            "thorough": self.tr("Thorough"),
        }
        chips: dict[PresetName, QPushButton] = {}
        for name in get_args(PresetName):
            chip = chips[name] = QPushButton(words[name])
            chip.setCheckable(True)
            chip.setChecked(name == "balanced")
            theme.mark(chip, "kind", "chip")
            self._presets.addButton(chip)
        return chips

    @Slot()
    def _on_change(self) -> None:
        if self._presets.checkedButton() is None:
            return  # between the toggling of two buttons of one group
        self._show_choice()
        self.changed.emit()

    def _show_choice(self) -> None:
        info = METHODS[self.method]
        self._summary.setText(info.summary)
        self._needs.setText(needs_words(info))
        self._published.setText(self.tr("Published with: {}").format(info.published))
        for name, chip in self._chips.items():
            chip.setToolTip(self.tr("Trains for {} at most").format(short_duration(60 * info.presets[name].minutes)))
        self.show_no_estimate()
