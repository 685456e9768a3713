"""A chart in the colours of the theme. pyqtgraph is imported when the first one is drawn."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from station.ui import theme, tokens

LINE_PX, HELD_LINE_PX = 2, 3

GOOD, DEFECTIVE = 0, 3
"""Their colours among the series: none of a verdict, for these parts are what they are, whatever they are called."""


class ThemedPlot(QWidget):
    """What all charts of the wizard share; a child draws itself in `draw`, anew whenever the theme changes."""

    threshold_moved = Signal(float)
    """The user dragged the threshold to this raw score."""
    threshold_settled = Signal()
    """The user let go of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot: Any = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)

    def draw(self) -> None:
        """Everything from what was told last."""
        raise NotImplementedError

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self.plot is not None:
            self.draw()

    def cleared(self, bottom: str, left: str) -> Any:
        """The empty plot in the theme's colours, with these titles at its axes."""
        import pyqtgraph

        if self.plot is None:
            self.plot = pyqtgraph.PlotWidget()
            self.plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            self.plot.setMouseEnabled(False, False)
            self.plot.hideButtons()
            self.plot.setMenuEnabled(False)
            layout = self.layout()
            if layout is not None:
                layout.addWidget(self.plot)
        self.plot.clear()
        self.plot.setBackground(theme.colour("window"))
        secondary = theme.colour("secondary")
        for side, words in (("bottom", bottom), ("left", left)):
            axis = self.plot.getAxis(side)
            axis.setPen(theme.colour("border"))
            axis.setTextPen(secondary)
            axis.setTickFont(theme.font("caption"))
            axis.enableAutoSIPrefix(False)
            axis.setLabel(words, **{"color": secondary.name(), "font-size": f"{tokens.TYPE_PX['caption']}px"})
        return self.plot

    def say(self, words: str, x: float, y: float, colour: Any, anchor: tuple[float, float] = (0.0, 0.5)) -> Any:
        """Put words at a place of the plot; `anchor` is their own point that lies there."""
        import pyqtgraph

        item = pyqtgraph.TextItem(words, color=colour, anchor=anchor)
        item.setFont(theme.font("caption"))
        item.setPos(x, y)
        self.plot.addItem(item)
        return item
