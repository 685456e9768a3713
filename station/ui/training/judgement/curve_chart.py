"""The ROC and the precision-recall curve with the working point: the ROC's can be dragged along its curve."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from station.ui import theme
from station.ui.training.judgement.themed_plot import LINE_PX, ThemedPlot

if TYPE_CHECKING:
    from ml.confusion import ConfusionMatrix
    from station.projects.judging import Ranking

CurveKind = Literal["roc", "pr"]
POINT_PX = 14
WORDS_WIDTH = 28
"""Letters in a line of what stands in place of a curve."""


class CurveChart(ThemedPlot):
    """Shares in %, 0 to 100. Empty, with the reason in words, where there is nothing to rank."""

    def __init__(self, kind: CurveKind, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind: CurveKind = kind
        self._ranking: Ranking | None = None
        self._matrix: ConfusionMatrix | None = None
        self._point: Any = None
        names = {"roc": self.tr("ROC curve"), "pr": self.tr("Precision-recall curve")}
        self.setAccessibleName(names[kind])

    def show_ranking(self, ranking: Ranking) -> None:
        self._ranking = ranking
        self.draw()

    def show_point(self, matrix: ConfusionMatrix) -> None:
        """Where the verdicts of now lie: on the curve, or off it where region rules have their say."""
        self._matrix = matrix
        self._place_point()

    def draw(self) -> None:
        import pyqtgraph

        if self._ranking is None:
            return
        is_roc, ranking = self._kind == "roc", self._ranking
        plot = self.cleared(
            self.tr("False alarms among good parts, %") if is_roc else self.tr("Defects found (recall), %"),
            self.tr("Defects found, %") if is_roc else self.tr("Right among NG, %"),
        )
        plot.setXRange(0, 100, padding=0.03)
        plot.setYRange(0, 100, padding=0.03)
        self._point = None
        curves, secondary = ranking.curves, theme.colour("secondary")
        if curves is None:
            words = textwrap.fill(self.tr("Cannot be told: {}").format(ranking.reason), WORDS_WIDTH)
            self.say(words, 50, 50, secondary, (0.5, 0.5))
            return
        pen = pyqtgraph.mkPen(theme.series_colour(0), width=LINE_PX)
        if is_roc:
            plot.plot([0, 100], [0, 100], pen=pyqtgraph.mkPen(theme.colour("border"), width=1))
            plot.plot(100 * curves.false_alarms, 100 * curves.recall, pen=pen)
            self.say(self._area_words(), 98, 4, theme.colour("text"), (1, 1))
        else:
            plot.plot(100 * curves.recall, 100 * curves.precision, pen=pen)
            words = self.tr("average precision {:.3f}").format(ranking.average_precision or 0.0)
            self.say(words, 2, 4, theme.colour("text"), (0, 1))
        self._point = pyqtgraph.TargetItem(
            (0, 0),
            size=POINT_PX,
            symbol="o",
            movable=is_roc,
            pen=pyqtgraph.mkPen(theme.colour("text"), width=LINE_PX),
            hoverPen=pyqtgraph.mkPen(theme.colour("accent"), width=LINE_PX),
            brush=theme.colour("surface"),
        )
        if is_roc:
            self._point.sigPositionChanged.connect(self._on_dragged)
            self._point.sigPositionChangeFinished.connect(self._on_released)
        plot.addItem(self._point)
        self._place_point()

    def _area_words(self) -> str:
        ranking = self._ranking
        if ranking is None or ranking.auroc is None or ranking.auroc_interval is None:
            return ""
        low, high = ranking.auroc_interval
        return self.tr("area {:.3f} ({:.3f} to {:.3f})").format(ranking.auroc, low, high)

    def _place_point(self) -> None:
        if self._point is None or self._matrix is None:
            return
        recall, specificity, precision = self._matrix.recall, self._matrix.specificity, self._matrix.precision
        x, y = (1 - (specificity or 0.0), recall or 0.0) if self._kind == "roc" else (recall or 0.0, precision or 1.0)
        held = self._point.blockSignals(True)
        self._point.setPos(100 * x, 100 * y)
        self._point.blockSignals(held)

    @Slot(object)
    def _on_dragged(self, point: Any) -> None:
        curves = self._ranking.curves if self._ranking else None
        if curves is not None:
            place = point.pos()
            self.threshold_moved.emit(curves.threshold_at(place.x() / 100, place.y() / 100))

    @Slot(object)
    def _on_released(self, point: Any) -> None:
        self.threshold_settled.emit()
        self._place_point()
