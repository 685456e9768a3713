"""The training run beside the order: how far it is, what it says, and how to stop it."""

import time

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.training.words import duration, short_duration
from station.ui.widgets.card import Card
from station.ui.widgets.icon_label import IconLabel
from station.workers.training import TrainingPlan, TrainingProgress, TrainingStarted

LOG_LINES = 2000
ICON_PX = 64
WORDS_PX = 560


class RunPanel(Card):
    """Progress within the stage, the stage in words, the time left, the log."""

    cancel_requested = Signal()
    """Stop the run; nothing is kept of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._stage = theme.label("", "title", bold=True)
        self._stage.setWordWrap(True)
        self._left = theme.label("", "body", "secondary")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Progress of the stage"))
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setMaximumBlockCount(LOG_LINES)
        self._log.setAccessibleName(self.tr("Log"))
        self._cancel = QPushButton(" " + self.tr("Cancel"))
        self._cancel.setIcon(theme.icon("x"))
        self._began = 0.0
        self._stage_told = ""
        line = QHBoxLayout()
        line.addWidget(self._left, 1)
        line.addWidget(self._cancel)
        self.add(self._stage)
        self.add(self._bar)
        self.add(line)
        self.add(theme.label(self.tr("Log"), "caption", "secondary"))
        self.add(self._log, 1)
        self._cancel.clicked.connect(self._ask_to_stop)

    def begin(self) -> None:
        """A run was asked for; nothing is heard of it yet."""
        self._began = time.monotonic()
        self._stage_told = ""
        self._log.clear()
        self._stage.setText(self.tr("Starting"))
        self._left.setText(self.tr("Loading the libraries takes a few seconds"))
        self._bar.setRange(0, 0)
        self._cancel.setEnabled(True)

    def show_started(self, found: TrainingStarted) -> None:
        self.add_line(self.tr("{} pictures of good parts").format(found.pictures))
        for picture in found.skipped:
            self.add_line(self.tr("left out: {}: {}").format(picture.file, picture.reason))

    def show_plan(self, plan: TrainingPlan) -> None:
        words = self.tr("About {} on this machine").format(short_duration(plan.seconds))
        self.add_line(f"{words}: {plan.done}" if plan.done else words)
        if plan.done and plan.published:
            self.add_line(self.tr("Published with: {}").format(plan.published))

    def show_progress(self, progress: TrainingProgress) -> None:
        if progress.stage != self._stage_told:
            self._stage_told = progress.stage
            self.add_line(progress.stage)
        self._stage.setText(progress.stage)
        self._bar.setRange(0, max(progress.total, 1))
        self._bar.setValue(progress.done)
        words = [self.tr("{} of {}").format(progress.done, progress.total)]
        if progress.eta_s is not None and progress.done < progress.total:
            words.append(self.tr("about {} left in this stage").format(duration(progress.eta_s)))
        words.append(self.tr("{} so far").format(duration(time.monotonic() - self._began)))
        self._left.setText(" · ".join(words))

    def add_line(self, text: str) -> None:
        """One line of the log."""
        self._log.appendPlainText(text)

    def log_text(self) -> str:
        return self._log.toPlainText()

    @Slot()
    def _ask_to_stop(self) -> None:
        self._cancel.setEnabled(False)
        self._stage.setText(self.tr("Stopping"))
        self._bar.setRange(0, 0)
        self.cancel_requested.emit()


class NoticePanel(Card):
    """What stands there while nothing runs: what training is, or why the last run has no model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._icon = IconLabel("graduation-cap", ICON_PX, "disabled")
        self._title = theme.label("", "title", bold=True)
        self._words = theme.label("", "body", "secondary")
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setAccessibleName(self.tr("Log"))
        for label in (self._title, self._words):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout()
        column.setSpacing(tokens.M)
        column.addStretch(1)
        column.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (self._title, self._words):
            label.setMaximumWidth(WORDS_PX)
            line = QHBoxLayout()
            line.addStretch(1)
            line.addWidget(label, 8)
            line.addStretch(1)
            column.addLayout(line)
        column.addStretch(2)
        self.add(column, 1)
        self.add(self._log, 1)
        self.show_nothing_yet()

    def show_nothing_yet(self) -> None:
        self._tell(
            self.tr("Train on your own parts"),
            self.tr(
                "Loupe learns from good parts only: 30 or more pictures, taken as the line takes them. What differs "
                "later from everything it has seen is called NG.\n\nTraining runs beside the line and does not stop "
                "it; you may leave this page meanwhile. The model is used only after you deploy it to a recipe."
            ),
        )

    def show_failure(self, reason: str, log: str) -> None:
        self._tell(self.tr("Training failed"), reason, log)
        self._icon.show_glyph("warning", "fault")

    def show_cancelled(self) -> None:
        self._tell(self.tr("Training cancelled"), self.tr("Nothing was kept of this run."))

    def _tell(self, title: str, words: str, log: str = "") -> None:
        self._icon.show_glyph("graduation-cap", "disabled")
        self._title.setText(title)
        self._words.setText(words)
        self._log.setPlainText(log)
        self._log.setVisible(bool(log))
