"""Draws one picture of the grid: thumbnail, label, whether it is held out, what was found about it, its name."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from station.core.verdict import Verdict
from station.projects.project import ProjectPicture
from station.ui import icons, theme, tokens
from station.ui.tokens import Role
from station.ui.training.picture_words import LABEL_SHAPES, aside_word, finding_word, held_out_word, label_word
from station.ui.widgets.verdict_shapes import draw_verdict_shape

PICTURE_ROLE = int(Qt.ItemDataRole.UserRole)
"""The ProjectPicture behind an index."""
TILE = (144, 148)
"""Least width, and height, in px, with the gap around."""
THUMBNAIL = QSize(136, 112)
_DIMMED = 0.3
_PILL_PX = 20


class PictureTile(QStyledItemDelegate):
    """Of one size, so that thousands need no layout."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(*TILE)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        picture = index.data(PICTURE_ROLE)
        if not isinstance(picture, ProjectPicture):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font("caption"))
        whole = QRectF(option.rect).adjusted(tokens.XS, tokens.XS, -tokens.XS, -tokens.XS)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        is_current = bool(option.state & QStyle.StateFlag.State_HasFocus)
        _draw_frame(painter, whole, is_chosen, is_current)
        inner = whole.adjusted(tokens.XS, tokens.XS, -tokens.XS, -tokens.XS)
        place = QRectF(inner.left(), inner.top(), inner.width(), THUMBNAIL.height())
        _draw_thumbnail(painter, place, index.data(Qt.ItemDataRole.DecorationRole), bool(picture.set_aside))
        _draw_pills(painter, place, picture)
        _draw_name(
            painter, QRectF(inner.left(), place.bottom(), inner.width(), inner.bottom() - place.bottom()), picture
        )
        painter.restore()


def _draw_frame(painter: QPainter, whole: QRectF, is_chosen: bool, is_current: bool) -> None:
    path = QPainterPath()
    path.addRoundedRect(whole.adjusted(1, 1, -1, -1), tokens.RADIUS, tokens.RADIUS)
    painter.fillPath(path, theme.colour("hover" if is_chosen else "raised"))
    role: Role = "accent" if is_chosen or is_current else "border"
    style = Qt.PenStyle.DashLine if is_current and not is_chosen else Qt.PenStyle.SolidLine
    painter.setPen(QPen(theme.colour(role), tokens.FOCUS_RING_PX if is_chosen or is_current else 1, style))
    painter.drawPath(path)


def _draw_thumbnail(painter: QPainter, place: QRectF, pixmap: object, is_dimmed: bool) -> None:
    if not isinstance(pixmap, QPixmap) or pixmap.isNull():
        icons.draw_glyph(painter, _middle(place, tokens.XL), "image", theme.colour("disabled"))
        return
    size = pixmap.deviceIndependentSize().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
    area = QRectF(0, 0, size.width(), size.height())
    area.moveCenter(place.center())
    painter.setOpacity(_DIMMED if is_dimmed else 1.0)
    painter.drawPixmap(area.toRect(), pixmap)
    painter.setOpacity(1.0)


def _draw_pills(painter: QPainter, place: QRectF, picture: ProjectPicture) -> None:
    """Left below the label; above what was found and, at the right, whether it is held out."""
    shape = LABEL_SHAPES[picture.label]
    _pill(painter, place, label_word(picture.label), shape, None, theme.verdict_role(shape), is_top=False)
    if picture.set_aside:
        _pill(painter, place, aside_word(), None, "eye-slash", "secondary", is_top=True)
    elif picture.findings:
        words = finding_word(picture.findings[0].kind)
        if picture.kept:
            _pill(painter, place, words, None, "check", "secondary", is_top=True)
        else:
            _pill(painter, place, words, None, "warning", "unsure", is_top=True)
    if picture.use == "test" and picture.is_used:
        _pill(painter, place, held_out_word(), None, "lock-simple", "accent", is_top=False, is_right=True)


def _pill(
    painter: QPainter,
    place: QRectF,
    words: str,
    shape: Verdict | None,
    glyph: str | None,
    role: Role,
    *,
    is_top: bool,
    is_right: bool = False,
) -> None:
    width = painter.fontMetrics().horizontalAdvance(words) + _PILL_PX + tokens.S
    left = place.right() - width - 2 if is_right else place.left() + 2
    top = place.top() + 2 if is_top else place.bottom() - _PILL_PX - 2
    area = QRectF(left, top, width, _PILL_PX)
    path = QPainterPath()
    path.addRoundedRect(area, _PILL_PX / 2, _PILL_PX / 2)
    painter.fillPath(path, theme.colour("surface"))
    mark = QRectF(area.left() + 3, area.top() + 3, _PILL_PX - 6, _PILL_PX - 6)
    if shape is not None:
        draw_verdict_shape(painter, mark, shape, theme.colour(role), theme.colour("on_verdict"))
    elif glyph is not None:
        icons.draw_glyph(painter, mark, glyph, theme.colour(role))
    painter.setFont(theme.font("caption"))
    painter.setPen(theme.colour("text"))
    painter.drawText(area.adjusted(_PILL_PX, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, words)


def _draw_name(painter: QPainter, line: QRectF, picture: ProjectPicture) -> None:
    """The end of a long name tells pictures apart."""
    painter.setPen(theme.colour("disabled" if picture.set_aside else "secondary"))
    name = picture.name if not picture.kind else f"{picture.kind}: {picture.name}"
    shown = QFontMetrics(painter.font()).elidedText(name, Qt.TextElideMode.ElideLeft, int(line.width()))
    painter.drawText(line, Qt.AlignmentFlag.AlignCenter, shown)


def _middle(place: QRectF, side: float) -> QRectF:
    area = QRectF(0, 0, side, side)
    area.moveCenter(place.center())
    return area
