"""One scored picture, large, with its heat map, its regions and a line of words."""

from PySide6.QtCore import QPointF, Qt, Slot
from PySide6.QtGui import QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsPathItem, QGridLayout, QVBoxLayout, QWidget

from station.core.inspection import Outline
from station.ui import theme, tokens
from station.ui.training.judgement.judged_pictures import JudgedPicture
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.heat_legend import HeatLegend
from station.ui.widgets.picture_view import PictureView

OVERLAY_OPACITY = 0.6


class _LabelledPicture(PictureView):
    """Also outlines, dashed, where defects truly are."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._truth = QGraphicsPathItem()
        pen = QPen(theme.colour_on_picture("accent"), tokens.FOCUS_RING_PX, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        self._truth.setPen(pen)
        self._truth.setZValue(1)
        self.scene().addItem(self._truth)

    def show_truth(self, outlines: tuple[Outline, ...]) -> None:
        path = QPainterPath()
        for outline in outlines:
            path.addPolygon(QPolygonF([QPointF(x, y) for x, y in outline]))
            path.closeSubpath()
        self._truth.setPath(path)


class JudgedView(QWidget):
    """Says in words what it cannot show."""

    def __init__(self, parent: QWidget | None = None, *, has_legend: bool = True) -> None:
        super().__init__(parent)
        self._has_legend = has_legend
        self._picture = _LabelledPicture()
        self._legend = HeatLegend()
        self._problem = theme.label("", "body", "secondary")
        self._problem.setWordWrap(True)
        self._problem.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._caption = ElidedLabel()
        theme.tag(self._caption, "body", "text")
        stacked = QGridLayout()
        stacked.setContentsMargins(0, 0, 0, 0)
        stacked.addWidget(self._picture, 0, 0)
        stacked.addWidget(self._problem, 0, 0)
        stacked.addWidget(self._legend, 0, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        column.addLayout(stacked, 1)
        column.addWidget(self._caption)
        self.set_overlay(True)
        self.show_problem("")

    def show_picture(self, shown: JudgedPicture, caption: str) -> None:
        self._problem.hide()
        self._picture.show()
        self._legend.setVisible(self._has_legend and shown.heat is not None)
        self._picture.show_picture(shown.picture, shown.scale)
        self._picture.show_heat(shown.heat)
        self._picture.show_regions(shown.marks)
        self._picture.show_truth(shown.truth)
        if shown.truth:
            caption += "   " + self.tr("dashed: where the defect is")
        self._picture.setAccessibleName(caption)
        self._caption.setText(caption)

    def show_problem(self, words: str) -> None:
        """Instead of a picture."""
        self._picture.hide()
        self._legend.hide()
        self._problem.setText(words)
        self._problem.show()
        self._caption.setText("")

    @Slot(bool)
    def set_overlay(self, is_shown: bool) -> None:
        self._picture.set_overlay(OVERLAY_OPACITY, is_shown)
