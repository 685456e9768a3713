"""Above the table: how many parts, their verdicts, and the matrix against given or confirmed truth; folds away."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ml.confusion import ConfusionMatrix
from station.core.verdict import Verdict
from station.history.records import TruthSource
from station.ui import theme, tokens
from station.ui.history.summary import Summary
from station.ui.history.words import truth_word
from station.ui.widgets.matrix_panel import MatrixPanel
from station.ui.widgets.verdict_icon import verdict_icon

Interval = tuple[float, float] | None


class SummaryCard(QFrame):
    """Figures of all parts that the filter lets through."""

    truth_chosen = Signal(str)
    """TruthSource to compare the verdicts with."""
    verdict_chosen = Signal(object)
    """Verdict whose count was clicked: the user wants to see these parts."""
    export_requested = Signal()
    """Write the parts of the filter to a file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self._fold = QPushButton(" " + self.tr("Matrix"))
        self._fold.setCheckable(True)
        self._fold.setChecked(True)
        self._fold.setIcon(theme.icon("caret-up", "secondary"))
        theme.mark(self._fold, "kind", "quiet")
        self._total = theme.label("", "emphasised", bold=True)
        self._counts = {verdict: self._count_button(verdict) for verdict in Verdict}
        self._export = QPushButton()
        self._export.setIcon(theme.icon("download-simple"))
        self._export.setToolTip(self.tr("Write the parts of this filter to a table file"))
        self.show_busy_export(False)
        self._matrix = MatrixPanel()
        self._truth = QButtonGroup(self)
        self._truth_chips = {truth: self._truth_chip(truth) for truth in ("given", "confirmed")}
        self._measures = {name: theme.label("–") for name in ("recall", "precision", "specificity")}
        self._f1 = theme.label("–")
        self._folded_away = QWidget()
        self._arrange()
        self._fold.toggled.connect(self._show_folded)
        self._export.clicked.connect(self.export_requested)
        self._truth.buttonClicked.connect(self._choose_truth)

    def show_summary(self, summary: Summary) -> None:
        self._total.setText(self.tr("{} parts").format(_grouped(summary.total)))
        for verdict, button in self._counts.items():
            button.setText(" " + _grouped(summary.counts[verdict]))
            button.setAccessibleName(f"{verdict.value} {summary.counts[verdict]}")
        self._export.setEnabled(summary.total > 0)
        self._matrix.show_matrix(summary.matrix)
        self._show_measures(summary.matrix.binary)

    def show_busy_export(self, is_busy: bool) -> None:
        self._export.setEnabled(not is_busy)
        self._export.setText(" " + (self.tr("Exporting…") if is_busy else self.tr("Export CSV")))

    def truth(self) -> TruthSource:
        return "given" if self._truth_chips["given"].isChecked() else "confirmed"

    def _show_measures(self, matrix: ConfusionMatrix) -> None:
        for name, label in self._measures.items():
            label.setText(_percent(getattr(matrix, name), getattr(matrix, f"{name}_interval")))
        self._f1.setText("–" if matrix.f1 is None else f"{matrix.f1:.3f}")

    def _count_button(self, verdict: Verdict) -> QPushButton:
        button = QPushButton("–")
        button.setIcon(verdict_icon(verdict))
        button.setToolTip(self.tr("Show only {}").format(verdict.value))
        button.setObjectName(verdict.value)
        theme.mark(button, "kind", "quiet")
        button.clicked.connect(self._choose_verdict)
        return button

    def _truth_chip(self, truth: TruthSource) -> QPushButton:
        chip = QPushButton(truth_word(truth).capitalize())
        chip.setCheckable(True)
        chip.setChecked(truth == "given")
        theme.mark(chip, "kind", "chip")
        self._truth.addButton(chip)
        return chip

    def _arrange(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(tokens.XS)
        line.addWidget(self._total)
        line.addStretch(1)
        for button in self._counts.values():
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self._fold)
        beside = QVBoxLayout()
        beside.setSpacing(tokens.S)
        chips = QHBoxLayout()
        chips.setSpacing(tokens.S)
        for chip in self._truth_chips.values():
            chips.addWidget(chip)
        chips.addStretch(1)
        beside.addLayout(chips)
        beside.addLayout(self._measure_grid())
        beside.addStretch(1)
        beside.addWidget(self._export, 0, Qt.AlignmentFlag.AlignLeft)
        inner = QHBoxLayout(self._folded_away)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(tokens.XL)
        inner.addWidget(self._matrix, 1)
        inner.addLayout(beside, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.L, tokens.S, tokens.S, tokens.M)
        column.setSpacing(tokens.XS)
        column.addLayout(line)
        column.addWidget(self._folded_away)

    def _measure_grid(self) -> QGridLayout:
        words = {
            "recall": self.tr("Defects found"),
            "precision": self.tr("NG that were right"),
            "specificity": self.tr("Good ones passed"),
        }
        grid = QGridLayout()
        grid.setHorizontalSpacing(tokens.M)
        grid.setVerticalSpacing(tokens.XS)
        grid.setColumnStretch(1, 1)
        lines = [(word, self._measures[name]) for name, word in words.items()]
        for row, (word, figure) in enumerate((*lines, (self.tr("F1"), self._f1))):
            theme.tag(figure, "caption")
            grid.addWidget(theme.label(word, "caption", "secondary"), row, 0)
            grid.addWidget(figure, row, 1)
        return grid

    @Slot(bool)
    def _show_folded(self, is_open: bool) -> None:
        self._folded_away.setVisible(is_open)
        self._fold.setIcon(theme.icon("caret-up" if is_open else "caret-down", "secondary"))

    @Slot()
    def _choose_truth(self) -> None:
        self.truth_chosen.emit(self.truth())

    @Slot()
    def _choose_verdict(self) -> None:
        self.verdict_chosen.emit(Verdict(self.sender().objectName()))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _percent(value: float | None, interval: Interval) -> str:
    if value is None or interval is None:
        return "–"
    return f"{value:.1%}  ({interval[0]:.1%} – {interval[1]:.1%})"
