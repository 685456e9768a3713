"""How long a training takes on this machine, once that is measured."""

from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.training.words import short_duration
from station.workers.training import TrainingPlan, TrainingProgress


class EstimateLine(QWidget):
    """Takes no room while nothing is known or being measured."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = theme.label("", "body")
        self._words.setWordWrap(True)
        self._measuring = QProgressBar()
        self._measuring.setTextVisible(False)
        self._measuring.setAccessibleName(self.tr("Progress of the measurement"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        column.addWidget(self._words)
        column.addWidget(self._measuring)
        self.show_nothing()

    def text(self) -> str:
        return self._words.text()

    def show_measuring(self) -> None:
        self._tell(self.tr("Measuring how long it takes on this machine"), is_secondary=True)
        self._measuring.setRange(0, 0)
        self._measuring.show()

    def show_measured(self, progress: TrainingProgress) -> None:
        """How far the measurement is."""
        words = self.tr("Measuring how long it takes on this machine: {}")
        self._tell(words.format(progress.stage), is_secondary=True)
        self._measuring.setRange(0, max(progress.total, 1))
        self._measuring.setValue(progress.done)
        self._measuring.show()

    def show_plan(self, plan: TrainingPlan) -> None:
        words = self.tr("About {} on this machine").format(short_duration(plan.seconds))
        self._tell(f"{words}: {plan.done}" if plan.done else words)

    def show_nothing(self, reason: str = "") -> None:
        """Nothing is known of the time; `reason` says why where that is of interest."""
        self._tell(reason, is_secondary=True)

    def _tell(self, words: str, *, is_secondary: bool = False) -> None:
        self._measuring.hide()
        self._words.setText(words)
        self.setVisible(bool(words))
        theme.tag(self._words, "body", "secondary" if is_secondary else "text")
