"""One picture of many generated ones, each beside its source, for a person to approve or reject. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ml.generation.generator import GeneratedPicture
from ml.pictures import Pixels

MOST_SHOWN = 60
"""Pairs on one sheet: more are too small to judge, or the sheet too long to look through."""

_SIDE_PX = 176
_GAP_PX = 4
_MARGIN_PX = 24
_PAIRS_A_ROW = 4
_CAPTION_PX = 22
_HEAD_PX = 76
_FONT_PX, _TITLE_PX = 12, 20
_GROUND, _INK, _FAINT = (248, 248, 248), (28, 32, 38), (108, 114, 124)
_OUTLINE = (255, 0, 200)
"""A colour that hardly any part has."""

Thumbnail = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    source: Thumbnail
    sample: Thumbnail
    source_caption: str
    sample_caption: str


class ContactSheet:
    """Gathers pairs with `add` and draws them with `drawn`; only thumbnails are kept."""

    def __init__(self, title: str, subtitle: str, window: tuple[float, float]) -> None:
        """`window`: the raw counts that are shown black and white, the same for all."""
        self._title, self._subtitle, self._window = title, subtitle, window
        self._pairs: list[_Pair] = []
        self._left_out = 0

    def add(self, source: Pixels, source_name: str, made: GeneratedPicture, name: str) -> None:
        """A generated picture called `name`, with the truth of what was changed outlined, beside its source."""
        if len(self._pairs) == MOST_SHOWN:
            self._left_out += 1
            return
        shown = self._thumbnail(made.pixels)
        mask = cv2.resize(made.mask.astype(np.uint8), shown.shape[1::-1], interpolation=cv2.INTER_AREA)
        if not mask.any():  # a defect of a pixel or two
            mask = cv2.resize(made.mask.astype(np.float32), shown.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
        grown = cv2.dilate(np.asarray(mask, np.uint8), np.ones((3, 3), np.uint8), iterations=2)
        contours, _ = cv2.findContours(grown, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, contours, -1, _OUTLINE, 1)
        caption = f"{name}  {made.kind}" if made.mask.any() else name
        self._pairs.append(_Pair(self._thumbnail(source), shown, source_name, caption))

    def drawn(self) -> Thumbnail:
        """The sheet, (height, width, 3) uint8 RGB."""
        across = min(_PAIRS_A_ROW, max(len(self._pairs), 1))
        pair_px = 2 * _SIDE_PX + _GAP_PX
        width = 2 * _MARGIN_PX + across * pair_px + (across - 1) * _MARGIN_PX
        row_px = _SIDE_PX + _CAPTION_PX + _GAP_PX * 2
        height = _HEAD_PX + -(-len(self._pairs) // across) * row_px + _MARGIN_PX
        sheet = Image.new("RGB", (max(width, 3 * pair_px), height), _GROUND)
        draw = ImageDraw.Draw(sheet)
        draw.text((_MARGIN_PX, 16), self._title, _INK, ImageFont.load_default(_TITLE_PX))
        more = f"  {self._left_out} more are not shown." if self._left_out else ""
        draw.text((_MARGIN_PX, 44), self._subtitle + more, _FAINT, ImageFont.load_default(_FONT_PX))
        font = ImageFont.load_default(_FONT_PX)
        for number, pair in enumerate(self._pairs):
            down, right = divmod(number, across)
            left, top = _MARGIN_PX + right * (pair_px + _MARGIN_PX), _HEAD_PX + down * row_px
            captions = (pair.source_caption, _FAINT), (pair.sample_caption, _INK)
            for picture, (caption, ink) in zip((pair.source, pair.sample), captions, strict=True):
                place = left + (_SIDE_PX - picture.shape[1]) // 2, top + (_SIDE_PX - picture.shape[0]) // 2
                sheet.paste(Image.fromarray(picture), place)
                draw.text((left, top + _SIDE_PX + _GAP_PX), _fitting(caption, font), ink, font)
                left += _SIDE_PX + _GAP_PX
        return np.asarray(sheet)

    def _thumbnail(self, pixels: Pixels) -> Thumbnail:
        """In the middle of a square, in its own shape, never enlarged beyond it."""
        low, high = self._window
        scale = _SIDE_PX / max(pixels.shape[:2])
        size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
        grey = np.clip((small.astype(np.float32) - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
        return np.ascontiguousarray(grey if grey.ndim == 3 else np.dstack([grey] * 3))


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, its middle left out where it is too long for its column."""
    if font.getlength(text) <= _SIDE_PX:
        return text
    kept: Sequence[int] = range(len(text) - 2, 2, -1)
    for length in kept:
        shorter = f"{text[: (length + 1) // 2]}…{text[len(text) - length // 2 :]}"
        if font.getlength(shorter) <= _SIDE_PX:
            return shorter
    return text[:1]
