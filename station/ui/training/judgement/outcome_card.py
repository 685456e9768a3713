"""What the threshold and the rules of now come to: the matrix, the rates with their intervals, recall per kind."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from station.history.records import TruthMatrix
from station.projects.judging import Judging, Rate
from station.ui import theme, tokens
from station.ui.training.judgement.words import count_words, rate_words
from station.ui.widgets.card import Card
from station.ui.widgets.matrix_panel import MatrixPanel


class OutcomeCard(Card):
    """Follows the threshold while it is dragged."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._matrix = MatrixPanel()
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(tokens.M)
        self._grid.setVerticalSpacing(tokens.XS)
        self._grid.setColumnStretch(2, 1)
        self._false_alarms = self._line(0, self.tr("False alarms"))
        self._found = self._line(1, self.tr("Defects found"))
        self._where_from = theme.label("", "caption", "secondary")
        self._where_from.setWordWrap(True)
        self.add(self._matrix)
        self.add(self._grid)
        self.add(self._where_from)
        self.add_stretch()

    def show_judging(self, judging: Judging) -> None:
        evidence = judging.evidence
        self._matrix.show_matrix(
            TruthMatrix(
                source="given",
                binary=judging.matrix,
                line=judging.matrix_line,
                unsure=judging.unsure,
                fault=evidence.faults,
                without_truth=sum(row.label == "unsure" for row in evidence.rows),
            )
        )
        _show(self._false_alarms, judging.false_alarms)
        _show(self._found, judging.found)
        self._where_from.setText(self._source_words(judging))
        self._where_from.setVisible(bool(self._where_from.text()))

    def _source_words(self, judging: Judging) -> str:
        words = []
        if judging.goods_from == "held-out":
            words.append(self.tr("Good parts: the held-out ones, which gave the threshold; none was tested with."))
            if judging.rules is not None:
                words.append(self.tr("Region rules cannot be tried on them."))
        if not judging.found.trials:
            words.append(self.tr("No defective part was tested with: what is missed cannot be told."))
        return " ".join(words)

    def _line(self, row: int, words: str) -> tuple[QLabel, QLabel]:
        counts, rate = theme.label("–", "body", bold=True), theme.label("", "caption", "secondary")
        self._grid.addWidget(theme.label(words, "body", "secondary"), row, 0)
        self._grid.addWidget(counts, row, 1, Qt.AlignmentFlag.AlignRight)
        self._grid.addWidget(rate, row, 2)
        return counts, rate


def _show(labels: tuple[QLabel, QLabel], rate: Rate) -> None:
    counts, share = labels
    counts.setText(count_words(rate) if rate.trials else "–")
    share.setText(rate_words(rate) if rate.trials else "")
    share.setToolTip(share.tr("95 % interval in brackets (Clopper and Pearson)") if rate.trials else "")
