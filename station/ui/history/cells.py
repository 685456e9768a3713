"""How the table's cells are drawn: thumbnail, verdict with its shape, score on its scale, two lines of text."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from station.core.verdict import Verdict
from station.history.records import InspectionRow
from station.ui import icons, theme, tokens
from station.ui.history.table_model import ROW_ROLE, SECOND_LINE_ROLE, Column
from station.ui.inspect.view import unsure_from
from station.ui.widgets.score_bar import POINTER_PX, draw_score_bar
from station.ui.widgets.verdict_badge import draw_badge

ROW_PX = 56
THUMBNAIL_PX = 48
BADGE_PX = 20
TRACK_PX = 6

AnyIndex = QModelIndex | QPersistentModelIndex


class PartCell(QStyledItemDelegate):
    """Draws every column: what is in it decides how."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._body = theme.font("body")
        self._strong = theme.font("body", bold=True)
        self._caption = theme.font("caption")

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        return QSize(tokens.XXL, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        row: InspectionRow | None = index.data(ROW_ROLE)
        if row is None:
            return
        whole, state = QRectF(option.rect), option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(whole, theme.colour("hover"))
        if index.column() == Column.PICTURE:
            self._paint_picture(painter, whole, index.data(Qt.ItemDataRole.DecorationRole))
            if state & QStyle.StateFlag.State_Selected:
                painter.fillRect(QRectF(whole.left(), whole.top(), tokens.XS, whole.height()), theme.colour("accent"))
        else:
            self._paint_text(painter, whole.adjusted(tokens.S, 0, -tokens.XS, 0), index, row)
        painter.fillRect(QRectF(whole.left(), whole.bottom() - 1, whole.width(), 1), theme.colour("border"))
        painter.restore()

    def _paint_text(self, painter: QPainter, area: QRectF, index: AnyIndex, row: InspectionRow) -> None:
        text = index.data()
        match index.column():
            case Column.VERDICT:
                badge = QRectF(area.left(), area.top() + tokens.S, BADGE_PX, BADGE_PX)
                draw_badge(painter, badge, row.inspection.verdict)
                beside = area.adjusted(BADGE_PX + tokens.S, 0, 0, 0)
                self._paint_lines(painter, beside, text, index.data(SECOND_LINE_ROLE), row.inspection.verdict)
            case Column.SCORE if row.inspection.normalised_score is not None:
                self._paint_score(painter, area, text, row)
            case _:
                self._paint_lines(painter, area, text, index.data(SECOND_LINE_ROLE))

    def _paint_lines(
        self, painter: QPainter, area: QRectF, first: str, second: str, verdict: Verdict | None = None
    ) -> None:
        upper = area if not second else area.adjusted(0, tokens.S, 0, -area.height() / 2 + tokens.XS)
        painter.setFont(self._strong if verdict else self._body)
        painter.setPen(theme.verdict_colour(verdict) if verdict else theme.colour("text"))
        self._draw(painter, upper, first)
        if second:
            painter.setFont(self._caption)
            painter.setPen(theme.colour("secondary"))
            self._draw(painter, area.adjusted(0, area.height() / 2, 0, -tokens.S), second)

    def _paint_score(self, painter: QPainter, area: QRectF, text: str, row: InspectionRow) -> None:
        painter.setFont(self._body)
        painter.setPen(theme.colour("text"))
        self._draw(painter, area.adjusted(0, tokens.XS, 0, -area.height() / 2), text)
        track = QRectF(
            area.left() + tokens.XS, area.center().y() + POINTER_PX + 2, area.width() - 2 * tokens.S, TRACK_PX
        )
        draw_score_bar(painter, track, row.inspection.normalised_score, unsure_from(row.inspection))

    def _paint_picture(self, painter: QPainter, area: QRectF, pixmap: QPixmap | None) -> None:
        square = QRectF(0, 0, THUMBNAIL_PX, THUMBNAIL_PX)
        square.moveCenter(area.center())
        frame = QPainterPath()
        frame.addRoundedRect(square, tokens.XS, tokens.XS)
        painter.fillPath(frame, theme.colour("window"))
        if pixmap is None:
            glyph = square.adjusted(tokens.M, tokens.M, -tokens.M, -tokens.M)
            icons.draw_glyph(painter, glyph, "image", theme.colour("disabled"))
            return
        painter.setClipPath(frame)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = min(pixmap.width(), pixmap.height())
        middle = QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
        painter.drawPixmap(square, pixmap, middle)
        painter.setClipping(False)

    def _draw(self, painter: QPainter, area: QRectF, text: str) -> None:
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
