"""Scores, curves, matrix and recall per kind: what a threshold does, in one view."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ml.calibration import Calibration
from station.projects.defect_areas import DefectAreas
from station.projects.judging import Judging, Ranking
from station.ui import theme, tokens
from station.ui.training.judgement.curve_chart import CurveChart
from station.ui.training.judgement.kinds_chart import KindsChart
from station.ui.training.judgement.outcome_card import OutcomeCard
from station.ui.training.judgement.score_chart import ScoreChart

OUTCOME_PX = 352
WIDE_PX = 900
"""From this width on both curves and the kinds stand beside each other."""


class ScoresTab(QWidget):
    """The threshold can be dragged in the histogram and along the ROC curve."""

    threshold_moved = Signal(float)
    """The user dragged the threshold to this raw score."""
    threshold_settled = Signal()
    """The user let go of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scores = ScoreChart()
        self.roc, self.pr = CurveChart("roc"), CurveChart("pr")
        self.outcome, self.kinds = OutcomeCard(), KindsChart()
        self.chips = QButtonGroup(self)
        self._chip_row = QWidget()
        self._arrange()
        self.chips.idClicked.connect(self._show_lower)
        for chart in (self.scores, self.roc):
            chart.threshold_moved.connect(self.threshold_moved)
            chart.threshold_settled.connect(self.threshold_settled)

    def show_ranking(self, scale: Calibration, ranking: Ranking) -> None:
        """`scale` is the calibration of the model as it was trained."""
        self.scores.show_ranking(scale, ranking)
        self.roc.show_ranking(ranking)
        self.pr.show_ranking(ranking)

    def show_judging(self, judging: Judging) -> None:
        """Quick: it follows the hand."""
        self.scores.show_threshold(judging.calibration)
        self.roc.show_point(judging.matrix)
        self.pr.show_point(judging.matrix)
        self.outcome.show_judging(judging)
        self.kinds.show_kinds(judging.kinds)

    def show_areas(self, areas: DefectAreas | None) -> None:
        self.kinds.show_areas(areas)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_lower()

    def _arrange(self) -> None:
        chips = QHBoxLayout(self._chip_row)
        chips.setContentsMargins(0, 0, 0, 0)
        chips.setSpacing(tokens.S)
        for number, words in enumerate((self.tr("ROC"), self.tr("Precision"), self.tr("Kinds"))):
            chip = QPushButton(words)
            chip.setCheckable(True)
            theme.mark(chip, "kind", "chip")
            self.chips.addButton(chip, number)
            chips.addWidget(chip)
        chips.addStretch(1)
        self.chips.button(0).setChecked(True)
        charts = QHBoxLayout()
        charts.setSpacing(tokens.M)
        for chart in (self.roc, self.pr, self.kinds):
            charts.addWidget(chart, 1)
        left = QVBoxLayout()
        left.setSpacing(tokens.XS)
        left.addWidget(self._chip_row)
        left.addLayout(charts, 1)
        self.outcome.setFixedWidth(OUTCOME_PX)
        row = QHBoxLayout()
        row.setSpacing(tokens.M)
        row.addLayout(left, 1)
        row.addWidget(self.outcome)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addWidget(self.scores, 1)
        column.addLayout(row, 1)

    @Slot()
    def _show_lower(self) -> None:
        is_wide = self.width() >= WIDE_PX
        self._chip_row.setVisible(not is_wide)
        for number, chart in enumerate((self.roc, self.pr, self.kinds)):
            chart.setVisible(is_wide or number == self.chips.checkedId())
