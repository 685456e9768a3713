"""What a network's losses do while it learns. pyqtgraph is imported when the first one is told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer, Slot
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from station.ui import theme, tokens
from station.ui.training.learning.curve_legend import CurveLegend, LegendEntry
from station.workers.training import TrainingLosses

MINIMUM_HEIGHT_PX = 160
DRAWN_EVERY_MS = 250
LOGARITHMIC_FROM = 30.0
"""Ratio of the largest value to the smallest from which small losses would lie on the axis."""

FEW_DECADES = 2

TOTAL = "total"
LINE_PX, TOTAL_LINE_PX, DOT_PX = 1.5, 2.5, 7


class LossCurves(QWidget):
    """A line per loss over the steps; dots are the measure on held-out good parts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot: Any = None
        self._legend = CurveLegend()
        self._told: list[TrainingLosses] = []
        self._redraw = QTimer(self, singleShot=True, interval=DRAWN_EVERY_MS)
        self._redraw.timeout.connect(self._draw)
        self.setMinimumHeight(MINIMUM_HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Losses while learning"))
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(tokens.M)
        self._line.addWidget(self._legend, 0, Qt.AlignmentFlag.AlignTop)

    def clear(self) -> None:
        self._told.clear()
        self._redraw.stop()
        self._legend.show_entries(())
        if self._plot is not None:
            self._plot.clear()

    def add(self, losses: TrainingLosses) -> None:
        """Drawn a little later, together with what comes meanwhile."""
        self._told.append(losses)
        if not self._redraw.isActive():
            self._redraw.start()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self._plot is not None:
            self._draw()

    @Slot()
    def _draw(self) -> None:
        if not self._told:
            return
        plot = self._plot or self._make_plot()
        plot.clear()
        plot.setBackground(theme.colour("surface"))
        self._dress_axes()
        lines = {name: self._points(name) for name in self._names()}
        dots = np.array([(told.step, told.validation) for told in self._told if told.validation is not None])
        values = np.concatenate([points[:, 1] for points in (*lines.values(), dots.reshape(-1, 2))])
        plot.getAxis("left").setTicks(None)
        if is_logarithmic(values):
            plot.getAxis("left").setTicks([decade_ticks(float(values.min()), float(values.max()))])
            for points in (*lines.values(), *([dots] if len(dots) else [])):
                points[:, 1] = np.log10(points[:, 1])
        entries = []
        for number, (name, points) in enumerate(lines.items()):
            entry = LegendEntry(
                name.replace("_", " "), theme.series_colour(number), TOTAL_LINE_PX if name == TOTAL else LINE_PX
            )
            plot.plot(points, pen=_pen(entry.colour, entry.line_px))
            entries.append(entry)
        if len(dots):
            entry = LegendEntry(self.tr("held-out good parts"), theme.colour("text"), dot_px=DOT_PX)
            rim = _pen(theme.colour("surface"), 1)
            plot.plot(dots, pen=None, symbol="o", symbolSize=DOT_PX, symbolBrush=entry.colour, symbolPen=rim)
            entries.append(entry)
        self._legend.show_entries(entries)
        plot.setXRange(0, self._told[-1].steps, padding=0.01)

    def _names(self) -> list[str]:
        """Every loss told so far, the total first."""
        names = dict.fromkeys(name for told in self._told for name in told.losses)
        return sorted(names, key=lambda name: name != TOTAL)

    def _points(self, name: str) -> Any:
        """(n, 2) of step and loss."""
        return np.array([(told.step, told.losses[name]) for told in self._told if name in told.losses])

    def _make_plot(self) -> Any:
        import pyqtgraph

        self._plot = plot = pyqtgraph.PlotWidget()
        plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        plot.setMouseEnabled(False, False)
        plot.hideButtons()
        plot.setMenuEnabled(False)
        self._line.insertWidget(0, plot, 1)
        return plot

    def _dress_axes(self) -> None:
        secondary = theme.colour("secondary")
        for side, words in (("bottom", self.tr("Step")), ("left", self.tr("Loss"))):
            axis = self._plot.getAxis(side)
            axis.setPen(theme.colour("border"))
            axis.setTextPen(secondary)
            axis.setTickFont(theme.font("caption"))
            axis.enableAutoSIPrefix(False)
            axis.setLabel(words, **{"color": secondary.name(), "font-size": f"{tokens.TYPE_PX['caption']}px"})


def is_logarithmic(values: Any) -> bool:
    """Whether the losses differ too much for an even axis; those that are not above 0 leave no choice."""
    return len(values) > 0 and bool(values.min() > 0) and bool(values.max() > LOGARITHMIC_FROM * values.min())


def decade_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Places on a decimal logarithm's axis, and their figures: powers of ten, between few of them 2 and 5 too."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= FEW_DECADES else (1,)
    return [
        (math.log10(digit * 10.0**power), f"{digit * 10.0**power:g}")
        for power in range(first, last + 1)
        for digit in digits
    ]


def _pen(colour: Any, width: float) -> Any:
    import pyqtgraph

    return pyqtgraph.mkPen(colour, width=width)
