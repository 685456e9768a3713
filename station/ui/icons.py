"""Icons of the Phosphor font that comes with qtawesome, drawn in the colour that the theme has when they are painted.

Only its files are used: qtawesome's own import loads eleven fonts and half of Qt, for longer than the window may take.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPixmap

from station.ui.tokens import Role

ColourOf = Callable[[Role], QColor]

log = logging.getLogger(__name__)


class _Glyphs(NamedTuple):
    """A font's family, and the characters of its glyphs by name as hexadecimal numbers."""

    family: str
    characters: Mapping[str, str]


@cache
def _phosphor() -> _Glyphs:
    """Loaded with the first icon. Without its files icons stay blank: what they mean stands beside them in words."""
    package = find_spec("qtawesome")
    fonts = Path(package.origin).parent / "fonts" if package and package.origin else Path()
    try:
        font, characters = next(fonts.glob("phosphor-[0-9]*.ttf")), next(fonts.glob("phosphor-charmap-*.json"))
        number = QFontDatabase.addApplicationFont(str(font))
        return _Glyphs(QFontDatabase.applicationFontFamilies(number)[0], json.loads(characters.read_bytes()))
    except (StopIteration, IndexError, OSError, ValueError) as error:
        log.warning("No icons: the Phosphor font of qtawesome cannot be read (%r). Install qtawesome again.", error)
        return _Glyphs("", {})


def draw_glyph(painter: QPainter, rect: QRectF, glyph: str, colour: QColor) -> None:
    """Paint the Phosphor glyph `glyph` centred in `rect`, as large as its shorter side. Raises KeyError for a name
    that the font does not have."""
    family, characters = _phosphor()
    if not characters:
        return
    font = QFont(family)
    font.setPixelSize(round(min(rect.width(), rect.height())))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, chr(int(characters[glyph], 16)))
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
