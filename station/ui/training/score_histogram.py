"""How the held-out good parts scored, and the threshold. pyqtgraph is imported when the first one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from station.ui import theme, tokens

if TYPE_CHECKING:
    from ml.calibration import Calibration

HEIGHT_PX = 170
MOST_BARS = 40


class ScoreHistogram(QWidget):
    """Bars over the normalised score: 0 the typical good part, 1 the threshold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot: Any = None
        self._calibration: Calibration | None = None
        self.setMinimumHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Scores of the held-out good parts"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)

    def show_calibration(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self._plot is not None:
            self._draw()

    def _draw(self) -> None:
        import pyqtgraph

        if self._calibration is None:
            return
        if self._plot is None:
            self._plot = pyqtgraph.PlotWidget()
            self._plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            self._plot.setMouseEnabled(False, False)
            self._plot.hideButtons()
            self._plot.setMenuEnabled(False)
            layout = self.layout()
            if layout is not None:
                layout.addWidget(self._plot)
        plot, calibration = self._plot, self._calibration
        text, secondary = theme.colour("text"), theme.colour("secondary")
        plot.clear()
        plot.setBackground(theme.colour("surface"))
        scores = np.array([calibration.normalise(score) for score in calibration.scores])
        counts, edges = np.histogram(scores, bins=min(MOST_BARS, max(8, round(len(scores) ** 0.5) * 2)))
        bars = pyqtgraph.BarGraphItem(
            x0=edges[:-1], x1=edges[1:], height=counts, brush=secondary, pen=pyqtgraph.mkPen(theme.colour("surface"))
        )
        plot.addItem(bars)
        self._draw_line(1.0, text, self.tr("threshold"))
        if calibration.threshold_low is not None:
            self._draw_line(calibration.normalise(calibration.threshold_low), theme.colour("unsure"), self.tr("UNSURE"))
        for side, words in (("bottom", self.tr("Normalised score")), ("left", self.tr("Good parts"))):
            axis = plot.getAxis(side)
            axis.setPen(theme.colour("border"))
            axis.setTextPen(secondary)
            axis.setTickFont(theme.font("caption"))
            axis.setLabel(words, **{"color": secondary.name(), "font-size": f"{tokens.TYPE_PX['caption']}px"})
        low = min(-0.2, float(scores.min()) - 0.1)
        plot.setXRange(low, max(1.25, float(scores.max()) + 0.1), padding=0)
        plot.setYRange(0, int(counts.max()) * 1.15, padding=0)

    def _draw_line(self, at: float, colour: Any, words: str) -> None:
        import pyqtgraph

        line = pyqtgraph.InfiniteLine(
            at,
            pen=pyqtgraph.mkPen(colour, width=2),
            label=words,
            labelOpts={"position": 0.92, "color": colour, "fill": theme.colour("surface"), "movable": False},
        )
        self._plot.addItem(line)
