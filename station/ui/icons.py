"""Icons of the Phosphor font in qtawesome, drawn in the colour that the theme has at the moment of painting.

qtawesome costs a quarter of a second to import, more than the first paint may spend: after `defer` icons stay blank
until `load`, which the shell calls when the window stands.
"""

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPixmap

from station.ui.tokens import Role

ColourOf = Callable[[Role], QColor]


class _Font:
    """Whether painting may import qtawesome yet."""

    is_deferred = False


def defer() -> None:
    """Paint blank icons until `load`."""
    _Font.is_deferred = True


def load() -> None:
    """Import qtawesome and its fonts now; later paints show the icons."""
    import qtawesome

    qtawesome.charmap("ph.check")
    _Font.is_deferred = False


def draw_glyph(painter: QPainter, rect: QRectF, glyph: str, colour: QColor) -> None:
    """Paint the Phosphor glyph `glyph` centred in `rect`, as large as its shorter side."""
    if _Font.is_deferred:
        return
    import qtawesome

    painter.save()
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    painter.setFont(qtawesome.font("ph", round(min(rect.width(), rect.height()))))
    painter.setPen(colour)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, qtawesome.charmap(f"ph.{glyph}"))
    painter.restore()


class PaintedEngine(QIconEngine):
    """An icon that is only painted: its pixmaps are what `paint` draws on nothing."""

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        drawn = QPixmap(size)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return drawn


class _ThemedEngine(PaintedEngine):
    def __init__(self, glyph: str, role: Role, on_role: Role, colour_of: ColourOf) -> None:
        super().__init__()
        self._glyph, self._role, self._on_role, self._colour_of = glyph, role, on_role, colour_of

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        role: Role = self._on_role if state == QIcon.State.On else self._role
        if mode == QIcon.Mode.Disabled:
            role = "disabled"
        draw_glyph(painter, QRectF(rect), self._glyph, self._colour_of(role))

    def clone(self) -> QIconEngine:
        return _ThemedEngine(self._glyph, self._role, self._on_role, self._colour_of)


def themed_icon(glyph: str, role: Role, on_role: Role, colour_of: ColourOf) -> QIcon:
    """An icon whose colour is asked of `colour_of` whenever it is painted."""
    return QIcon(_ThemedEngine(glyph, role, on_role, colour_of))
