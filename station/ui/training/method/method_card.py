"""Which method, and how much time it may take."""

from typing import Literal, get_args

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QPushButton, QWidget

from ml.catalogue import METHODS
from ml.job import TrainingJob
from station.ui import theme, tokens
from station.ui.training.method.estimate_line import EstimateLine
from station.ui.training.words import needs_words, short_duration
from station.ui.widgets.card import Card

PresetName = Literal["fast", "balanced", "thorough"]
FIRST_CHOICE: str = TrainingJob.model_fields["method"].default


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
        self.estimate = EstimateLine()
        self._published = theme.label("", "caption", "secondary")
        for label in (self._summary, self._needs, self._published):
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
        for below in (self.estimate, self._published):
            self.add(below)
        self._methods.setCurrentIndex(self._methods.findData(FIRST_CHOICE))
        self._methods.currentIndexChanged.connect(self._on_change)
        self._presets.buttonToggled.connect(self._on_change)
        self._show_choice()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._chips[self.preset].setFocus()  # not the list: the wheel would change it instead of scrolling the page

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
        self.estimate.show_nothing()
