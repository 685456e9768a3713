"""What a picture file says about itself, read before anything is decoded. No torch.

The size is known from some hundred bytes, so a file that claims, or hides, billions of pixels is never unpacked.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile

from ml.errors import PictureError

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_BMP_START = b"BM"
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Size as stored (an EXIF rotation may swap it), and how the numbers in the file become counts.

    `sample_bits` is what a sample is stored with, `bit_depth` how many of them carry the value. `is_white_zero`:
    a TIFF that counts darkness.
    """

    width: int
    height: int
    sample_bits: int
    bit_depth: int
    is_tiff: bool = False
    is_grey: bool = False
    is_white_zero: bool = False
    has_alpha: bool = False


def read_header(data: bytes, name: str) -> PictureHeader:
    """The header of a PNG, JPEG, BMP or TIFF file. Raises PictureError that names the file by `name`."""
    if not data:
        raise PictureError(f"{name} is empty (0 bytes). Copy or save it again.")
    try:
        if data.startswith(_PNG_START):
            return _png(data)
        if data.startswith(_JPEG_START):
            return _pillow(JpegImageFile(BytesIO(data)))
        if data.startswith(_BMP_START):
            return _pillow(BmpImageFile(BytesIO(data)))
        if data.startswith(_TIFF_STARTS):
            return _tiff(data, name)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error) as error:
        raise PictureError(f"{name} is damaged: its header cannot be read ({error}). Save it again.") from error
    raise PictureError(f"{name} is not a PNG, JPEG, BMP or TIFF picture. Save the picture in one of these formats.")


def _pillow(picture: JpegImageFile | BmpImageFile) -> PictureHeader:
    # Made from its own class, not by Image.open: that one warns of every picture above 89 megapixels.
    width, height = picture.size
    return PictureHeader(width, height, sample_bits=8, bit_depth=8, is_grey=picture.mode in ("1", "L"))


def _png(data: bytes) -> PictureHeader:
    """PNG specification, third edition, 11.2.1 (IHDR) and 11.3.2.6 (sBIT)."""
    chunks = _png_chunks(data)
    kind, header = next(chunks)
    if kind != b"IHDR":
        raise ValueError("the first chunk is not IHDR")
    width, height, stored_bits, colour_type = struct.unpack_from(">IIBB", header)
    sample_bits = 16 if stored_bits == 16 else 8
    has_alpha = bool(colour_type & 4)
    bit_depth = sample_bits
    for kind, body in chunks:
        if kind in (b"PLTE", b"IDAT"):
            break
        if kind == b"sBIT" and sample_bits == 16:
            bit_depth = max(body[: len(body) - has_alpha])
    if not 8 <= bit_depth <= sample_bits:
        raise ValueError(f"{bit_depth} significant bits in {sample_bits}")
    return PictureHeader(width, height, sample_bits, bit_depth, is_grey=colour_type in (0, 4), has_alpha=has_alpha)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG_START)
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length
    raise ValueError("it ends before the picture begins")


def _tiff(data: bytes, name: str) -> PictureHeader:
    """TIFF 6.0. Not by Pillow: it knows no 10- and 12-bit colour, and only warns of a directory that is cut short."""
    pages = list(_tiff_pages(data))
    page = pages[0]
    if any(not other.get(_SUBFILE, (0,))[0] & 1 for other in pages[1:]):
        raise PictureError(
            f"{name} holds {len(pages)} pages; which of them shows the part? Save that page as a file of its own."
        )
    bits, sample_formats = set(page.get(_BITS, (1,))), set(page.get(_SAMPLE_FORMAT, (1,)))
    (colours,), (samples,) = page.get(_COLOURS, (1,)), page.get(_SAMPLES, (1,))
    sample_bits = min(bits)
    is_grey = colours in (0, 1)
    plain_samples = 1 if is_grey or colours == 3 else 4 if colours == 5 else 3
    # Palettes, CMYK, YCbCr and L*a*b* are turned to RGB by libtiff, which does so in 8 bits only.
    is_known = colours in (0, 1, 2) or (colours in (3, 5, 6, 8) and sample_bits <= 8)
    if sample_formats != {1} or len(bits) > 1 or sample_bits not in (1, 2, 4, 8, 10, 12, 14, 16) or not is_known:
        raise PictureError(
            f"{name} is a TIFF of a kind that is not inspected (bits {sorted(bits)}, sample format "
            f"{sorted(sample_formats)}, colour kind {colours}). Save it as grey or RGB of 8 to 16 bits."
        )
    if samples not in (plain_samples, plain_samples + 1):
        raise PictureError(f"{name} has {samples} channels of colour kind {colours}. Save it as a grey or RGB picture.")
    return PictureHeader(
        width=page[_WIDTH][0],
        height=page[_HEIGHT][0],
        sample_bits=sample_bits,
        bit_depth=max(sample_bits, 8),
        is_tiff=True,
        is_grey=is_grey,
        is_white_zero=colours == 0,
        has_alpha=samples > plain_samples,
    )


_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COLOURS, _SAMPLES, _SAMPLE_FORMAT = _TIFF_TAGS = (254, 256, 257, 258, 262, 277, 339)
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


def _tiff_pages(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The tags of `_TIFF_TAGS` of each page; BigTIFF has longer entries and offsets."""
    order = "<" if data.startswith(b"II") else ">"
    is_big = 43 in data[2:4]
    count, entry, offset = (
        struct.Struct(order + code) for code in (("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I"))
    )
    (position,) = offset.unpack_from(data, 8 if is_big else 4)
    seen = set[int]()
    while position not in seen:
        seen.add(position)
        page = {}
        (entries,) = count.unpack_from(data, position)
        position += count.size
        for _ in range(entries):
            tag, kind, length, value = entry.unpack_from(data, position)
            if tag in _TIFF_TAGS:
                numbers = struct.Struct(f"{order}{min(length, 16)}{_TIFF_NUMBERS[kind]}")
                (place,) = offset.unpack(value)
                page[tag] = numbers.unpack_from(*((value, 0) if numbers.size <= offset.size else (data, place)))
            position += entry.size
        yield page
        (position,) = offset.unpack_from(data, position)
        if not position:
            return
