"""The look: theme and heat map."""

from typing import Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QPushButton, QSlider, QWidget

from station.settings import Settings
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout

PERCENT = 100


class LookCard(Card):
    """Each change is seen at once."""

    theme_chosen = Signal(str)
    """`dark` or `light`."""
    heat_changed = Signal(float, bool)
    """The heat map's opacity 0 to 1, and whether it is shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.add(theme.label(self.tr("Look"), "emphasised", bold=True))
        self._themes = QButtonGroup(self)
        words: dict[Literal["dark", "light"], str] = {"dark": self.tr("Dark"), "light": self.tr("Light")}
        chips = QHBoxLayout()
        chips.setSpacing(tokens.S)
        self._chips: dict[str, QPushButton] = {}
        for name, word in words.items():
            chip = self._chips[name] = QPushButton(" " + word)
            chip.setIcon(theme.icon("moon" if name == "dark" else "sun"))
            chip.setCheckable(True)
            chip.setObjectName(name)
            theme.mark(chip, "kind", "chip")
            self._themes.addButton(chip)
            chips.addWidget(chip)
        chips.addStretch(1)
        self._is_shown = QCheckBox(self.tr("Shown at the start"))
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setRange(0, PERCENT)
        self._opacity.setPageStep(10)
        self._opacity.setAccessibleName(self.tr("Opacity of the heat map"))
        self._figure = theme.label("")
        self._figure.setMinimumWidth(self._figure.fontMetrics().horizontalAdvance("100 %"))
        strength = QHBoxLayout()
        strength.setSpacing(tokens.M)
        strength.addWidget(self._opacity, 1)
        strength.addWidget(self._figure)
        form = FieldLayout()
        form.add_field(self.tr("Theme"), chips)
        form.add_field(self.tr("Heat map"), self._is_shown)
        form.add_field(self.tr("Opacity"), strength)
        self.add(form)
        self._themes.buttonClicked.connect(self._tell_theme)
        self._is_shown.toggled.connect(self._tell_heat)
        self._opacity.valueChanged.connect(self._tell_heat)

    def show_settings(self, settings: Settings) -> None:
        self._chips[settings.theme].setChecked(True)
        for field in (self._is_shown, self._opacity):
            field.blockSignals(True)
        self._is_shown.setChecked(settings.show_heat)
        self._opacity.setValue(round(PERCENT * settings.heat_opacity))
        for field in (self._is_shown, self._opacity):
            field.blockSignals(False)
        self._show_figure()

    def _show_figure(self) -> None:
        self._figure.setText(f"{self._opacity.value()} %")

    @Slot(QPushButton)
    def _tell_theme(self, chip: QPushButton) -> None:
        self.theme_chosen.emit(chip.objectName())

    @Slot()
    def _tell_heat(self) -> None:
        self._show_figure()
        self.heat_changed.emit(self._opacity.value() / PERCENT, self._is_shown.isChecked())
