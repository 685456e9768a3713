"""Draws one part of the film strip: the thumbnail, the verdict's shape upon it, a ring when it is looked at."""

from collections import OrderedDict

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from station.ui import theme, tokens
from station.ui.widgets.verdict_badge import draw_badge

PART_ROLE = int(Qt.ItemDataRole.UserRole)
PICTURE_ROLE = PART_ROLE + 1
BADGE_PX = 26
KEPT = 64
"""Whole drawings that are kept: with every new part the strip moves on and all of it is painted anew."""


class FilmDelegate(QStyledItemDelegate):
    """A square of an operator's target size."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._drawn: OrderedDict[tuple[object, ...], QPixmap] = OrderedDict()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        side = theme.sizes().operator_px
        return QSize(side + tokens.XS, side)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        part, area = index.data(PART_ROLE), option.rect.adjusted(0, 0, -tokens.XS, 0)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        has_focus = bool(option.state & QStyle.StateFlag.State_HasFocus)
        density = painter.device().devicePixelRatioF()
        key = (part.inspection_id, area.width(), area.height(), density, theme.name(), is_chosen, has_focus)
        drawn = self._drawn.get(key)
        if drawn is None:
            drawn = QPixmap(area.size() * density)
            drawn.setDevicePixelRatio(density)
            drawn.fill(Qt.GlobalColor.transparent)
            _draw(drawn, QRectF(0, 0, area.width(), area.height()), index, is_chosen, has_focus)
            self._drawn[key] = drawn
            if len(self._drawn) > KEPT:
                self._drawn.popitem(last=False)
        painter.drawPixmap(area.topLeft(), drawn)


def _draw(
    onto: QPixmap, area: QRectF, index: QModelIndex | QPersistentModelIndex, is_chosen: bool, has_focus: bool
) -> None:
    painter = QPainter(onto)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    frame = QPainterPath()
    frame.addRoundedRect(area.adjusted(1, 1, -1, -1), tokens.XS, tokens.XS)
    painter.fillPath(frame, theme.colour("raised"))
    painter.setClipPath(frame)
    pixmap = index.data(PICTURE_ROLE)
    if isinstance(pixmap, QPixmap):
        painter.drawPixmap(area, pixmap, _middle_square(pixmap))
    painter.setClipping(False)
    badge = QRectF(area.right() - BADGE_PX - 4, area.bottom() - BADGE_PX - 4, BADGE_PX, BADGE_PX)
    if pixmap is None:
        badge.moveCenter(area.center())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.colour("surface"))
    painter.drawEllipse(badge.adjusted(-3, -3, 3, 3))
    draw_badge(painter, badge, index.data(PART_ROLE).verdict)
    width = 4 if is_chosen else 1
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.colour("accent" if is_chosen else "border"), width))
    half = width / 2
    painter.drawRoundedRect(area.adjusted(half, half, -half, -half), tokens.XS, tokens.XS)
    if has_focus and not is_chosen:
        painter.setPen(QPen(theme.colour("accent"), tokens.FOCUS_RING_PX, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(area.adjusted(2, 2, -2, -2), tokens.XS, tokens.XS)
    painter.end()


def _middle_square(pixmap: QPixmap) -> QRectF:
    side = min(pixmap.width(), pixmap.height())
    return QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
