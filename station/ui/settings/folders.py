"""Where everything lies, how full the disk is, and from when on that matters."""

import shutil
from pathlib import Path

from PySide6.QtCore import QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLineEdit, QProgressBar, QPushButton, QWidget

from station.settings import Settings
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.problem_label import ProblemLabel

GB = 1e9


class FoldersCard(Card):
    """The home folder can be opened, not moved: that is the start's `--home`."""

    limit_changed = Signal(str, float)
    """Name of the setting (`disk_warn_gb`, `disk_stop_gb`) and its value."""

    def __init__(self, home: Path, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._home = home
        self.add(theme.label(self.tr("Folders and disk"), "emphasised", bold=True))
        place = QLineEdit(str(home))
        place.setReadOnly(True)
        place.setCursorPosition(0)
        place.setAccessibleName(self.tr("Home folder"))
        place.setToolTip(self.tr("History, pictures, models and settings. Another one is chosen with --home."))
        self._open = QPushButton(" " + self.tr("Open"))
        self._open.setIcon(theme.icon("folder-open"))
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(place, 1)
        line.addWidget(self._open)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Disk used"))
        self._usage = theme.label("", "caption", "secondary")
        self._limits = {"disk_warn_gb": self._limit(), "disk_stop_gb": self._limit()}
        self._problem = ProblemLabel()
        form = FieldLayout()
        form.add_field(self.tr("Home folder"), line)
        form.add_field(self.tr("Disk"), self._usage)
        form.addRow(self._bar)
        form.add_field(self.tr("Warn below"), self._limits["disk_warn_gb"])
        form.add_field(self.tr("Stop below"), self._limits["disk_stop_gb"])
        form.addRow(self._problem)
        self.add(form)
        self._open.clicked.connect(self._open_home)
        for name, field in self._limits.items():
            field.setObjectName(name)
            field.valueChanged.connect(self._tell)

    def show_settings(self, settings: Settings) -> None:
        for name, field in self._limits.items():
            field.blockSignals(True)
            field.setValue(getattr(settings, name))
            field.blockSignals(False)

    def show_problem(self, text: str) -> None:
        self._problem.show_problem(text)
        for field in self._limits.values():
            theme.mark(field, "invalid", bool(text))

    def limits(self) -> dict[str, float]:
        """Both, as the fields say them: one alone may be wrong until the other follows."""
        return {name: field.value() for name, field in self._limits.items()}

    def show_usage(self) -> None:
        """Read how full the disk is."""
        try:
            usage = shutil.disk_usage(self._home)
        except OSError as error:
            self._usage.setText(self.tr("cannot be read: {}").format(error.strerror))
            return
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * usage.used / usage.total))
        self._usage.setText(self.tr("{:.0f} GB free of {:.0f} GB").format(usage.free / GB, usage.total / GB))

    def _limit(self) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setRange(0, 10_000)
        field.setDecimals(1)
        field.setSuffix(self.tr(" GB free"))
        return field

    @Slot(float)
    def _tell(self, value: float) -> None:
        self.limit_changed.emit(self.sender().objectName(), value)

    @Slot()
    def _open_home(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._home)))
