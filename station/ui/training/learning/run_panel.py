"""The training run beside the queue: how far it is, what it says, and how to stop it."""

import time

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from station.ui import theme, tokens
from station.ui.training.learning.loss_curves import LossCurves
from station.ui.training.learning.sample_strip import SampleStrip
from station.ui.training.words import duration, short_duration
from station.ui.widgets.card import Card
from station.workers.training import TrainingLosses, TrainingPlan, TrainingProgress, TrainingSamples, TrainingStarted

LOG_LINES = 2000


class RunPanel(Card):
    """Progress within the stage, the stage in words, the time left; what the networks learn, where some do; the log."""

    cancel_requested = Signal()
    """Stop the run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._name = theme.label("", "body", "secondary")
        self._stage = theme.label("", "title", bold=True)
        self._stage.setWordWrap(True)
        self._name.hide()
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
        self._learning = LearningView()
        self._views = QStackedWidget()
        self._views.addWidget(self._log)
        self._views.addWidget(self._learning)
        self._log_title = theme.label(self.tr("Log"), "caption", "secondary")
        self._show_learning, self._show_log = _chip(self.tr("Learning")), _chip(self.tr("Log"))
        self._choice = QWidget()
        self._began: float | None = None
        self._stage_told = ""
        line = QHBoxLayout()
        line.addWidget(self._left, 1)
        line.addWidget(self._cancel)
        self.add(self._name)
        self.add(self._stage)
        self.add(self._bar)
        self.add(line)
        self._arrange_choice()
        self.add(self._log_title)
        self.add(self._choice)
        self.add(self._views, 1)
        self._cancel.clicked.connect(self._ask_to_stop)
        self._choices.buttonToggled.connect(self._show_view)
        self._show_log.setChecked(True)

    def _arrange_choice(self) -> None:
        self._choices = QButtonGroup(self)
        line = QHBoxLayout(self._choice)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        for chip in (self._show_learning, self._show_log):
            self._choices.addButton(chip)
            line.addWidget(chip)
        line.addStretch(1)

    def has_focus(self) -> bool:
        """Whether the keyboard is here."""
        focused = self.window().focusWidget()
        return focused is not None and self.isAncestorOf(focused)

    def begin(self, name: str, *, is_new: bool = True) -> None:
        """A run was asked for, of what is called `name`; nothing is heard of it yet. One that is not new has been
        going on for an unknown time.
        """
        self._name.setText(name)
        self._name.show()
        self._began = time.monotonic() if is_new else None
        self._stage_told = ""
        self._log.clear()
        self._learning.clear()
        self._show_log.setChecked(True)
        self._choice.hide()
        self._log_title.show()
        self._stage.setText(self.tr("Starting") if is_new else self.tr("Being trained"))
        self._left.setText(self.tr("Loading the libraries takes a few seconds") if is_new else "")
        self._bar.setRange(0, 0)
        self._bar.show()
        self._cancel.show()
        self._cancel.setEnabled(True)

    def show_done(self, title: str, took: str) -> None:
        """The run ended with a model; what was learnt stays to be looked at."""
        self._name.hide()
        self._stage.setText(title)
        self._left.setText(self.tr("Took {}").format(took))
        self._bar.hide()
        self._cancel.hide()

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
        if self._began is not None:
            words.append(self.tr("{} so far").format(duration(time.monotonic() - self._began)))
        self._left.setText(" · ".join(words))

    def show_losses(self, losses: TrainingLosses) -> None:
        """The first of a run turns to what is learnt; whoever turns to the log stays there."""
        self._learning.curves.add(losses)
        if self._choice.isHidden():
            self._log_title.hide()
            self._choice.show()
            self._show_learning.setChecked(True)

    def show_samples(self, samples: TrainingSamples) -> None:
        self._learning.show_samples(samples)

    @Slot()
    def _show_view(self) -> None:
        self._views.setCurrentWidget(self._log if self._show_log.isChecked() else self._learning)

    def add_line(self, text: str) -> None:
        """One line of the log."""
        self._log.appendPlainText(text)

    def log_text(self) -> str:
        return self._log.toPlainText()

    @Slot()
    def _ask_to_stop(self) -> None:
        self._cancel.setEnabled(False)
        self._stage.setText(self.tr("Stopping"))
        self._left.clear()
        self._bar.setRange(0, 0)
        self.cancel_requested.emit()


class LearningView(QWidget):
    """The losses; below, where the method sends them, good parts and what the networks make of them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curves = LossCurves()
        self._samples = SampleStrip()
        self._told = theme.label("", "caption", "secondary")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self.curves, 1)
        column.addWidget(self._told)
        column.addWidget(self._samples)
        self.clear()

    def clear(self) -> None:
        self.curves.clear()
        self._samples.clear()
        self._samples.hide()
        self._told.hide()

    def show_samples(self, samples: TrainingSamples) -> None:
        self._samples.show_samples(samples)
        if self._samples.is_empty:
            return
        words = self.tr("Good parts above; below, what the network makes of them after {} steps")
        self._told.setText(words.format(samples.step))
        self._told.show()
        self._samples.show()


def _chip(words: str) -> QPushButton:
    chip = QPushButton(words)
    chip.setCheckable(True)
    theme.mark(chip, "kind", "chip")
    return chip
