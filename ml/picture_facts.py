"""What one decode of a picture file tells: its content, its size, how sharp and bright it is, and what it looks like
in small. Enough to compare thousands of pictures without opening one again. No torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from ml import quality
from ml.errors import PictureError
from ml.files import write_atomically
from ml.pictures import Pixels, decode_picture, default_window, highest_count

LOOK_PX = 64
THUMBNAIL_PX = 256
"""The longer side, at most."""

_JPEG_QUALITY = 88
_FIGURES = ("width_px", "height_px", "bit_depth", "is_grey", "brightness", "contrast", "focus")


@dataclass(frozen=True, slots=True, eq=False)
class PictureFacts:
    """`brightness`, `contrast` and `focus` are those of `ml.quality` in the full range of the file's bits.

    `look` is `(LOOK_PX, LOOK_PX)` float16, grey, 0 to 1, whatever the picture's aspect: fine enough that what sensor
    noise leaves in it is not rounded away.
    """

    sha256: str
    width_px: int
    height_px: int
    bit_depth: int
    is_grey: bool
    brightness: float
    contrast: float
    focus: float
    look: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Examined:
    """Facts of a picture, and a thumbnail of it as the bytes of a JPEG file."""

    facts: PictureFacts
    thumbnail: bytes


def examine(data: bytes, name: str) -> Examined:
    """Decode a picture file's bytes once; `name` is what errors call it. Raises PictureError."""
    picture = decode_picture(data, name)
    pixels = picture.pixels
    height, width = pixels.shape[:2]
    window = default_window(picture.bit_depth)
    measured = quality.measure(pixels, window)
    facts = PictureFacts(
        sha256=sha256(data).hexdigest(),
        width_px=width,
        height_px=height,
        bit_depth=picture.bit_depth,
        is_grey=pixels.ndim == 2,
        brightness=measured.brightness,
        contrast=measured.contrast,
        focus=measured.focus,
        look=_look(pixels, window),
    )
    return Examined(facts, thumbnail(pixels, name))


def thumbnail(pixels: Pixels, name: str = "The picture") -> bytes:
    """A small JPEG of a picture `(height, width)` or `(height, width, 3)` RGB; counts above 8 bits are scaled down by
    the smallest usual bit depth that holds them, so that 10 bits in a 16-bit file are not shown black."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels
    if small.dtype != np.uint8:
        small = (small.astype(np.float32) * (255 / highest_count(int(pixels.max())))).astype(np.uint8)
    shown = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise PictureError(f"{name}: no thumbnail can be made of it. Save the picture again.")
    return bytes(data)


def save_facts(path: Path, facts: Mapping[str, PictureFacts]) -> None:
    """Keep the facts of many pictures, by their sha256, in one file of arrays. Raises OSError."""
    kept = list(facts.values())
    buffer = BytesIO()
    np.savez(
        buffer,
        sha256=np.array([one.sha256 for one in kept], dtype="U64"),
        look=np.array([one.look for one in kept], np.float16).reshape(len(kept), LOOK_PX, LOOK_PX),
        figures=np.array([[getattr(one, figure) for figure in _FIGURES] for one in kept], np.float64),
    )
    write_atomically(path, buffer.getvalue())


def load_facts(path: Path) -> dict[str, PictureFacts]:
    """By sha256; empty where there is no such file, or none that can be read: the pictures are then looked at again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            hashes, looks = stored["sha256"].tolist(), stored["look"]
            rows = stored["figures"].tolist()
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}
    if looks.shape[1:] != (LOOK_PX, LOOK_PX):
        return {}
    return {content: _facts(content, row, look) for content, row, look in zip(hashes, rows, looks, strict=True)}


def _facts(content: str, figures: list[float], look: NDArray[np.float16]) -> PictureFacts:
    width_px, height_px, bit_depth, is_grey, brightness, contrast, focus = figures
    return PictureFacts(
        sha256=content,
        width_px=int(width_px),
        height_px=int(height_px),
        bit_depth=int(bit_depth),
        is_grey=bool(is_grey),
        brightness=brightness,
        contrast=contrast,
        focus=focus,
        look=look,
    )


def _look(pixels: Pixels, window: tuple[float, float]) -> NDArray[np.float16]:
    small = cv2.resize(pixels, (LOOK_PX, LOOK_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    low, high = window
    look: NDArray[np.float16] = ((grey - low) / (high - low)).astype(np.float16)
    return look
