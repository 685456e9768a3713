"""How many parts got which verdict, and the yield."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from station.core.verdict import Verdict
from station.ui import theme, tokens
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.verdict_badge import draw_badge

if TYPE_CHECKING:
    from station.history.records import Counters

_SHAPE_PX = 20


class _Shape(QWidget):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict
        self.setFixedSize(_SHAPE_PX, _SHAPE_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        draw_badge(QPainter(self), QRectF(self.rect()), self._verdict)


class CountersPanel(QWidget):
    """Four numbers under their words and shapes, the yield below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._numbers: dict[Verdict, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(tokens.S)
        grid.setVerticalSpacing(tokens.XS)
        words = {
            Verdict.OK: self.tr("good"),
            Verdict.NG: self.tr("NG"),
            Verdict.UNSURE: self.tr("unsure"),
            Verdict.FAULT: self.tr("fault"),
        }
        for column, (verdict, word) in enumerate(words.items()):
            number = theme.label("0", "title", bold=True)
            number.setAccessibleName(word)
            self._numbers[verdict] = number
            grid.addWidget(_Shape(verdict), 0, 2 * column)
            grid.addWidget(theme.label(word, "caption", "secondary"), 0, 2 * column + 1)
            grid.addWidget(number, 1, 2 * column, 1, 2)
            grid.setColumnStretch(2 * column + 1, 1)
        self._yield = theme.label("", "emphasised")
        self._since = ElidedLabel()
        theme.tag(self._since, "caption", "secondary")
        self._since.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._yield, 2, 0, 1, 4)
        grid.addWidget(self._since, 2, 4, 1, 4)
        self._show_yield(None)

    def show_counters(self, counters: Counters, since: str = "") -> None:
        """`since` is what the numbers belong to, in words: `since 06:00`."""
        counts = {
            Verdict.OK: counters.ok,
            Verdict.NG: counters.ng,
            Verdict.UNSURE: counters.unsure,
            Verdict.FAULT: counters.fault,
        }
        for verdict, count in counts.items():
            self._numbers[verdict].setText(f"{count:,}".replace(",", "\u202f"))
        self._show_yield(counters.yield_rate)
        self._since.setText(since)

    def _show_yield(self, rate: float | None) -> None:
        figure = "–" if rate is None else f"{100 * rate:.1f} %"
        self._yield.setText(self.tr("Yield {figure}").format(figure=figure))
