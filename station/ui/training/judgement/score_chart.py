"""How good and defective parts score, with the threshold as a line to be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from station.ui import theme
from station.ui.training.judgement.themed_plot import DEFECTIVE, GOOD, HELD_LINE_PX, LINE_PX, ThemedPlot

if TYPE_CHECKING:
    from ml.calibration import Calibration
    from station.projects.judging import Ranking

BARS = 48
SHOWN_QUANTILE = 0.98
"""Of the defective parts: a few that score far beyond all others would press the rest into one bar."""

LEAST_TOP, MARGIN = 1.5, 0.06
BAND_ALPHA, BAR_ALPHA = 0.15, 0.85


class ScoreChart(ThemedPlot):
    """Good parts stand above the line, defective ones hang below it: neither hides the other.

    The scale is that of the model as it was trained, so that nothing moves but the threshold: 0 the typical good part,
    1 the threshold that the training gave. Scores beyond the right edge are counted in the last bar.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: Calibration | None = None
        self._ranking: Ranking | None = None
        self._threshold = 1.0
        self._low: float | None = None
        self._line: Any = None
        self._band: Any = None
        self._range = (0.0, LEAST_TOP)
        self.setAccessibleName(self.tr("Scores of good and defective parts, and the threshold"))

    def show_ranking(self, scale: Calibration, ranking: Ranking) -> None:
        self._scale, self._ranking = scale, ranking
        self.draw()

    def show_threshold(self, calibration: Calibration) -> None:
        """Where the threshold and the UNSURE band of `calibration` lie."""
        if self._scale is None:
            return
        self._threshold = self._scale.normalise(calibration.threshold)
        low = calibration.threshold_low
        self._low = None if low is None else self._scale.normalise(low)
        self._place_line()

    @property
    def range(self) -> tuple[float, float]:
        """The ends of the axis, on the scale of the trained model."""
        return self._range

    def draw(self) -> None:
        if self._scale is None or self._ranking is None:
            return
        ranking, scale = self._ranking, self._scale
        plot = self.cleared(self.tr("Score (0 typical good part, 1 threshold as trained)"), self.tr("Parts"))
        good, bad = _normalised(ranking.good, scale), _normalised(ranking.bad, scale)
        self._range = _range(good, bad)
        edges = np.linspace(*self._range, BARS + 1)
        above = self._bars(good, edges, theme.series_colour(GOOD), 1)
        below = self._bars(bad, edges, theme.series_colour(DEFECTIVE), -1)
        top, bottom = max(above, 1) * 1.2, max(below, 1 if len(bad) else 0) * 1.2
        plot.setXRange(*self._range, padding=0)
        plot.setYRange(-bottom, top, padding=0)
        plot.getAxis("left").setTicks([_count_ticks(top, bottom)])
        plot.addLine(y=0, pen=_pen(theme.colour("border"), 1))
        held_out = ranking.goods_from == "held-out"
        words = self.tr("held-out good parts ({})") if held_out else self.tr("good parts ({})")
        right = self._range[1]
        self.say(words.format(len(good)), right, top, theme.series_colour(GOOD), (1, 0))
        if len(bad):
            self.say(
                self.tr("defective parts ({})").format(len(bad)), right, -bottom, theme.series_colour(DEFECTIVE), (1, 1)
            )
        self._add_line()

    def _bars(self, scores: NDArray[np.float64], edges: NDArray[np.float64], colour: QColor, sign: int) -> int:
        import pyqtgraph

        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        colour.setAlphaF(BAR_ALPHA)
        ground = _pen(theme.colour("window"), 1)
        bars = pyqtgraph.BarGraphItem(x0=edges[:-1], x1=edges[1:], y0=0, y1=sign * counts, brush=colour, pen=ground)
        self.plot.addItem(bars)
        return int(counts.max(initial=0))

    def _add_line(self) -> None:
        import pyqtgraph

        text, unsure = theme.colour("text"), theme.colour("unsure")
        edge = _pen(theme.colour("unsure"), 1)
        unsure.setAlphaF(BAND_ALPHA)
        self._band = pyqtgraph.LinearRegionItem((0, 1), brush=unsure, pen=edge, movable=False)
        self._band.setZValue(-1)
        self.plot.addItem(self._band)
        self._line = pyqtgraph.InfiniteLine(
            1.0,
            movable=True,
            bounds=self._range,
            pen=_pen(text, LINE_PX),
            hoverPen=_pen(theme.colour("accent"), HELD_LINE_PX),
            label=self.tr("threshold"),
            labelOpts={"position": 0.93, "color": text, "fill": theme.colour("raised"), "movable": False},
        )
        self._line.label.setFont(theme.font("caption", bold=True))
        self._line.addMarker("<|>", position=0.5, size=14)
        self._line.sigDragged.connect(self._on_dragged)
        self._line.sigPositionChangeFinished.connect(self._on_released)
        self.plot.addItem(self._line)
        self._place_line()

    def _place_line(self) -> None:
        if self._line is None:
            return
        held = self._line.blockSignals(True)
        self._line.setValue(self._threshold)
        self._line.blockSignals(held)
        self._band.setVisible(self._low is not None)
        if self._low is not None:
            self._band.setRegion((max(self._low, self._range[0]), max(self._threshold, self._range[0])))

    @Slot(object)
    def _on_dragged(self, line: Any) -> None:
        if self._scale is not None:
            self.threshold_moved.emit(raw_score(float(line.value()), self._scale))

    @Slot(object)
    def _on_released(self, line: Any) -> None:
        self.threshold_settled.emit()


def raw_score(normalised: float, scale: Calibration) -> float:
    """The raw score at a place of the trained model's scale."""
    return scale.median + normalised * (scale.threshold - scale.median)


def _normalised(scores: NDArray[np.float64], scale: Calibration) -> NDArray[np.float64]:
    return np.asarray((scores - scale.median) / (scale.threshold - scale.median))


def _range(good: NDArray[np.float64], bad: NDArray[np.float64]) -> tuple[float, float]:
    both = np.concatenate([good, bad])
    low = min(0.0, float(both.min(initial=0.0)))
    high = max(LEAST_TOP, float(good.max(initial=0.0)))
    if len(bad):
        high = max(high, float(np.quantile(bad, SHOWN_QUANTILE)))
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def _count_ticks(top: float, bottom: float) -> list[tuple[float, str]]:
    """Whole numbers on both sides of 0, without a sign."""
    step = max(1, round(max(top, bottom) / 4))
    if step > 10:
        step = 10 * round(step / 10)
    values = range(-int(bottom // step) * step, int(top // step) * step + 1, step)
    # A number at the very edge would be cut in half.
    return [(float(value), str(abs(value))) for value in values if -0.93 * bottom <= value <= 0.93 * top]


def _pen(colour: QColor, width: float) -> Any:
    import pyqtgraph

    return pyqtgraph.mkPen(colour, width=width)
