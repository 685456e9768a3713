"""Picture files to checked arrays, and arrays to PNG. No torch.

Read are PNG, JPEG, BMP and TIFF: 8, 10, 12, 14 and 16 bit, grey, RGB, palette, 1 bit (0 and 255), CMYK and YCbCr
(turned to RGB). Transparency is dropped: it is no measurement. A rotation noted in EXIF or in a TIFF is carried out.
Of a TIFF with several full pages none is chosen: it is refused.
"""

import re
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.Image import DecompressionBombError
from PIL.TiffImagePlugin import TiffImageFile

from ml.errors import PictureError
from ml.picture_headers import PictureHeader, read_header

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the lightness, Rec. ITU-R BT.601: a grey picture in all three keeps its values."""

BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Of sensors; files hold them in 8 or 16 bits."""

MIN_LONG_SIDE_PX = 32
"""Smaller pictures are icons, not parts. A line camera's single row is a picture."""
MIN_TRAINING_SIDE_PX = 32
MAX_PIXELS = 120_000_000
_NOT_DECODABLE = (  # what OpenCV and Pillow raise on damaged files
    cv2.error,
    DecompressionBombError,
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    struct.error,
)
_MAX_FILE_BYTES = 1 << 30  # 120 megapixels of 16-bit RGBA, unpacked, and a little more


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels `(height, width)` grey or `(height, width, 3)` RGB, uint8 or uint16, read-only; values < 2**bit_depth."""

    pixels: Pixels
    bit_depth: int


def read_picture(path: Path) -> Picture:
    """Read and check one picture file. Raises PictureError naming the file and what to do."""
    return decode_picture(read_picture_bytes(path), str(path))


def read_picture_bytes(path: Path) -> bytes:
    """The bytes of a picture file, not yet looked into. Raises PictureError when they cannot be had."""
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder. Choose a picture in it.")
        if path.exists() and not path.is_file():
            raise PictureError(f"{path} is a device or pipe. Choose a picture file.")
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PictureError(f"{path} is larger than 1 GiB. Save the picture smaller or cut it up.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist. Check the name, or choose the picture again.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read by this user. Change its permissions, or copy it.") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file system takes
        raise PictureError(f"{path} cannot be read ({error}). Check the disk or the network drive.") from error


def decode_picture(data: bytes, name: str) -> Picture:
    """A picture from a file's bytes; `name` is what errors call it.

    Raises PictureError for what is no picture, damaged, cut short, with no side of MIN_LONG_SIDE_PX or above MAX_PIXELS
    (known from the header: such a file is never unpacked) or of a kind that is not inspected (of several pages).
    """
    header = read_header(data, name)
    _check_size(header.height, header.width, name)
    try:
        pixels = _decoded(data, header)
    except _NOT_DECODABLE as error:
        raise PictureError(f"{name} is damaged or cut short. Copy or save it again.") from error
    if pixels is None or {*pixels.shape[:2]} != {header.height, header.width}:
        raise PictureError(f"{name} is damaged or cut short. Copy or save it again.")
    check_pixels(pixels, name)
    pixels.setflags(write=False)
    return Picture(pixels, header.bit_depth)


def _decoded(data: bytes, header: PictureHeader) -> NDArray[Any] | None:
    """Counts as the camera gave them. OpenCV carries out the rotation, and gives nothing for a file cut short."""
    if header.is_tiff and header.has_alpha and header.sample_bits == 8:
        # OpenCV multiplies these by their alpha, which blackens what is transparent.
        return np.array(TiffImageFile(BytesIO(data)).convert("L" if header.is_grey else "RGB"))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    if pixels is not None and pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., 0]) if header.is_grey else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if pixels is not None and pixels.dtype == np.uint16:
        # The PNG standard wants values scaled up to 16 bits (sBIT tells from how many); OpenCV does so to TIFF's 10-14.
        pixels >>= 16 - header.bit_depth
        if header.is_white_zero:
            np.subtract(2**header.bit_depth - 1, pixels, out=pixels)
    return pixels


def check_pixels(pixels: Pixels, name: str = "The picture") -> None:
    """Raises PictureError unless `pixels` is uint8 or uint16 `(height, width[, 3])` of a size that is inspected."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{name} holds {pixels.dtype} values. Only whole numbers of 8 or 16 bits are inspected.")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise PictureError(f"{name} has the shape {pixels.shape}. Only grey and RGB pictures are inspected.")
    _check_size(pixels.shape[0], pixels.shape[1], name)


def _check_size(height: int, width: int, name: str) -> None:
    if max(height, width) < MIN_LONG_SIDE_PX or min(height, width) < 1:
        least = f"The longer side must have at least {MIN_LONG_SIDE_PX} px."
        raise PictureError(f"{name} is {width} x {height} px. {least}")
    if height * width > MAX_PIXELS:
        raise PictureError(
            f"{name} is {width} x {height} px, more than {MAX_PIXELS // 1_000_000} megapixels. Cut it up or shrink it."
        )


def default_window(bit_depth: int) -> tuple[float, float]:
    """The value window that keeps every count of a picture with `bit_depth` bits."""
    return 0.0, float(2**bit_depth - 1)


def list_pictures(folder: Path, recursive: bool = False) -> list[Path]:
    """The picture files of a folder by their suffix, hidden ones left out, in natural order (2 before 10).

    Raises PictureError when the folder cannot be listed.
    """
    if not folder.is_dir():
        raise PictureError(f"{folder} is not a folder. Choose the folder that holds the pictures.")
    try:
        entries = list(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise PictureError(f"The folder {folder} cannot be read ({error.strerror}). Choose another one.") from error
    pictures = [
        path
        for path in entries
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(pictures, key=lambda path: natural_key(str(path.relative_to(folder))))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sorting key that reads runs of digits as numbers; capitals only decide between otherwise equal names."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def encode_png(pixels: Pixels) -> bytes:
    """Lossless PNG of 8- or 16-bit grey or RGB pixels."""
    ok, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not ok:
        raise PictureError(f"A picture of the shape {pixels.shape} cannot be written as PNG.")
    return bytes(data)


def highest_count(brightest: int) -> int:
    """The highest count of the smallest usual bit depth that holds the count `brightest`."""
    return next((1 << bits) - 1 for bits in BIT_DEPTHS if brightest < 1 << bits)
