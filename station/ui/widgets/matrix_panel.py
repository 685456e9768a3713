"""The confusion matrix: rows truth, columns verdict, order normal, anomaly; and which truth it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.elided_label import ElidedLabel

if TYPE_CHECKING:
    from ml.confusion import ConfusionMatrix
    from station.history.records import TruthMatrix


class MatrixPanel(QWidget):
    """Empty cells until there is a part whose truth is known. UNSURE counts as normal; its number stands below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ElidedLabel(self.tr("Verdict against given truth"))
        theme.tag(self._title, "caption", "secondary")
        self._cells = {key: self._cell() for key in ("tn", "fp", "fn", "tp")}
        self._below = theme.label("", "caption", "secondary")
        self._below.setWordWrap(True)
        grid = QGridLayout()
        grid.setSpacing(tokens.XS)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)
        normal, anomaly = self.tr("normal"), self.tr("anomaly")
        for column, word in ((1, normal), (2, anomaly)):
            grid.addWidget(theme.label(word, "caption", "secondary"), 0, column, Qt.AlignmentFlag.AlignCenter)
        for row, word in ((1, self.tr("truly normal")), (2, self.tr("truly anomaly"))):
            grid.addWidget(theme.label(word, "caption", "secondary"), row, 0)
        for position, key in (((1, 1), "tn"), ((1, 2), "fp"), ((2, 1), "fn"), ((2, 2), "tp")):
            grid.addWidget(self._cells[key], *position)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(0, 0, 0, 0)
        column_of_all.setSpacing(tokens.XS)
        column_of_all.addWidget(self._title)
        column_of_all.addLayout(grid)
        column_of_all.addWidget(self._below)
        self.show_matrix(None)

    def show_matrix(self, found: TruthMatrix | None) -> None:
        if found is None:
            for cell in self._cells.values():
                cell.setText("–")
            self._below.setText(self.tr("No part with known truth yet"))
            return
        confirmed = found.source == "confirmed"
        self._title.setText(
            self.tr("Verdict against confirmed truth") if confirmed else self.tr("Verdict against given truth")
        )
        matrix = found.binary
        for key, cell in self._cells.items():
            cell.setText(f"{getattr(matrix, key):,}".replace(",", " "))
        self._below.setText(self._left_out(found))
        self.setToolTip(self._measures(matrix, found.line))

    def _left_out(self, found: TruthMatrix) -> str:
        return self.tr("{unsure} UNSURE as normal · {fault} FAULT · {without} without truth").format(
            unsure=found.unsure, fault=found.fault, without=found.without_truth
        )

    def _measures(self, matrix: ConfusionMatrix, line: ConfusionMatrix) -> str:
        def percent(value: float | None) -> str:
            return "–" if value is None else f"{100 * value:.1f} %"

        return self.tr(
            "At the threshold: precision {precision}, recall {recall}\n"
            "To the line (UNSURE rejected): precision {line_precision}, recall {line_recall}"
        ).format(
            precision=percent(matrix.precision),
            recall=percent(matrix.recall),
            line_precision=percent(line.precision),
            line_recall=percent(line.recall),
        )

    def _cell(self) -> QLabel:
        cell = theme.label("–", "emphasised", bold=True)
        cell.setAlignment(Qt.AlignmentFlag.AlignCenter)
        cell.setMinimumHeight(tokens.CONTROL_PX)
        theme.mark(cell, "cell", True)
        return cell
