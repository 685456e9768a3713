"""How many of each kind of defect are found, as bars with their intervals; the worst kind first."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from station.projects.defect_areas import DefectAreas
from station.projects.judging import KindFound, in_order_of_trouble
from station.ui import theme, tokens
from station.ui.training.judgement.themed_plot import DEFECTIVE
from station.ui.training.judgement.words import count_words, interval_words, percent

ROW_PX = 2 * tokens.XL
BAR_PX, WHISKER_PX = 8, 2


class _Bars(QWidget):
    """One row per kind: its words, below them the bar and its interval as a thin line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kinds: tuple[KindFound, ...] = ()
        self.setFont(theme.font("body"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_kinds(self, kinds: Sequence[KindFound]) -> None:
        self._kinds = in_order_of_trouble(kinds)
        told = [f"{self._name(one)}: {count_words(one.found)}" for one in self._kinds]
        self.setAccessibleName(self.tr("Found per kind of defect: {}").format(", ".join(told)))
        exact = (f"{self._name(one)}: {interval_words(one.found.interval)}" for one in self._kinds)
        self.setToolTip(self.tr("95 % intervals") + "\n" + "\n".join(exact))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, max(1, len(self._kinds)) * ROW_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, one in enumerate(self._kinds):
            self._paint_row(painter, QRectF(0, number * ROW_PX, self.width(), ROW_PX), one)
        if not self._kinds:
            painter.setPen(theme.colour("secondary"))
            words = self.tr("No defective part was tested with.")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, words)

    def _paint_row(self, painter: QPainter, row: QRectF, one: KindFound) -> None:
        words = row.adjusted(0, 0, 0, -ROW_PX / 2)
        painter.setPen(theme.colour("text"))
        figures = f"{count_words(one.found)}   {percent(one.found.share)}"
        room = words.width() - self.fontMetrics().horizontalAdvance(figures) - tokens.M
        name = self.fontMetrics().elidedText(self._name(one), Qt.TextElideMode.ElideRight, int(room))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(theme.colour("secondary"))
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, figures)
        track = QRectF(row.left(), words.bottom() + tokens.XS, row.width(), BAR_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("border"))
        painter.drawRoundedRect(track, BAR_PX / 2, BAR_PX / 2)
        share, interval = one.found.share, one.found.interval
        if share is None or interval is None:
            return
        painter.setBrush(theme.series_colour(DEFECTIVE))
        filled = QRectF(track.left(), track.top(), track.width() * share, BAR_PX)
        painter.drawRoundedRect(filled, BAR_PX / 2, BAR_PX / 2)
        low, high = (track.left() + track.width() * end for end in interval)
        painter.fillRect(QRectF(low, track.center().y() - WHISKER_PX / 2, high - low, WHISKER_PX), theme.colour("text"))

    def _name(self, one: KindFound) -> str:
        return one.kind or self.tr("without a name")


class KindsChart(QScrollArea):
    """Scrolls where there are many kinds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self._bars = _Bars()
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, tokens.M, 0)
        self._areas = theme.label("", "caption", "secondary")
        self._areas.setWordWrap(True)
        column.setSpacing(tokens.S)
        column.addWidget(self._bars)
        column.addWidget(self._areas)
        column.addStretch(1)
        self.setWidget(content)

    def show_kinds(self, kinds: Sequence[KindFound]) -> None:
        self._bars.show_kinds(kinds)

    def show_areas(self, areas: DefectAreas | None) -> None:
        """None while they are not known."""
        words = []
        if areas is not None and areas.found is not None:
            words.append(
                self.tr("Regions of the heat map, at its own threshold, meet {} of the marked defects.").format(
                    percent(areas.found)
                )
            )
        if areas is not None and areas.false_per_good is not None:
            words.append(self.tr("A good part shows {:.2f} regions on average.").format(areas.false_per_good))
        self._areas.setText(" ".join(words))
