"""Below the pictures: how far adding and checking are, and which files were left out and why."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from station.projects.sources import Refused
from station.ui import theme, tokens
from station.workers.picture_gathering import Gathered, Progress

LIST_PX = 84
PROGRESS_PX = 160


class GatheringReport(QFrame):
    """Hidden while there is nothing to tell."""

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = theme.label("")
        self._words.setWordWrap(True)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedWidth(PROGRESS_PX)
        self._details, self._button = QPushButton(self.tr("Which?")), QPushButton(self.tr("Cancel"))
        self._details.setCheckable(True)
        self._list = QPlainTextEdit()
        self._list.setReadOnly(True)
        self._list.setFixedHeight(LIST_PX)
        self._list.setAccessibleName(self.tr("Files left out"))
        self._is_busy = False
        self._last: Gathered | None = None
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(self._words, 1)
        for part in (self._progress, self._details, self._button):
            line.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        column.addLayout(line)
        column.addWidget(self._list)
        self._details.toggled.connect(self._list.setVisible)
        self._button.clicked.connect(self._press)
        self.clear()

    def clear(self) -> None:
        self._is_busy, self._last = False, None
        self._show("", ())

    def show_progress(self, progress: Progress) -> None:
        self._is_busy = True
        words = f"{progress.words}: {progress.done} of {progress.total}" if progress.total else f"{progress.words} …"
        self._show(words, ())
        self._progress.setRange(0, progress.total)
        self._progress.setValue(progress.done)

    def show_end(self, gathered: Gathered) -> None:
        """Only what is out of the ordinary stays to be read, also after the checks that follow."""
        self._is_busy, self._last = False, gathered
        if gathered.refused and not (gathered.added or gathered.already or gathered.is_cancelled):
            reason = self.tr("No picture was added: {}").format(gathered.refused[0].reason)
            self._show(reason, gathered.refused, is_problem=True)
            return
        words = []
        if gathered.is_cancelled:
            words.append(self.tr("Cancelled after {} pictures").format(gathered.added))
        if gathered.already:
            words.append(self.tr("Already in the project: {}").format(gathered.already))
        if gathered.refused:
            words.append(self.tr("Left out: {}").format(len(gathered.refused)))
        self._show(", ".join(words), gathered.refused)

    def show_problem(self, reason: str) -> None:
        self._is_busy = False
        self._show(reason, (), is_problem=True)

    def end_progress(self) -> None:
        """What was being done is done."""
        if self._is_busy and self._last is not None:
            self.show_end(self._last)
        elif self._is_busy:
            self.clear()

    def _show(self, words: str, refused: tuple[Refused, ...], *, is_problem: bool = False) -> None:
        self._words.setText(words)
        theme.mark(self._words, "tone", "fault" if is_problem else "secondary")
        self._progress.setVisible(self._is_busy)
        self._details.setVisible(bool(refused))
        self._details.setChecked(False)
        self._list.setVisible(False)
        self._list.setPlainText("\n".join(f"{one.name}: {one.reason}" for one in refused))
        self._button.setText(self.tr("Cancel") if self._is_busy else self.tr("Dismiss"))
        self.setVisible(bool(words))

    @Slot()
    def _press(self) -> None:
        if self._is_busy:
            self.cancelled.emit()
        else:
            self.clear()
