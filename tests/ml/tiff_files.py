"""Writes TIFF files of kinds that neither OpenCV nor Pillow writes: 10 to 14 bits packed, any orientation."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORT, LONG = 3, 4


def tiff_bytes(
    pixels: NDArray[Any], bits: int, *, orientation: int = 1, tags: dict[int, tuple[int, ...]] | None = None
) -> bytes:
    """One uncompressed little-endian page; `tags` (SHORTs) are added or overwritten."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if bits in (8, 16, 32):
        data = pixels.tobytes()
    else:  # most significant bit first, each row filled up to a byte
        shifts = np.arange(bits - 1, -1, -1)
        data = np.packbits(
            (pixels.reshape(height, -1, 1) >> shifts & 1).astype(np.uint8).reshape(height, -1), 1
        ).tobytes()
    shorts = {
        258: (bits,) * channels,
        259: (1,),
        262: (1 if channels < 3 else 2,),
        274: (orientation,),
        277: (channels,),
        339: (1,) * channels,
    }
    if channels in (2, 4):
        shorts[338] = (2,)
    shorts |= tags or {}
    longs = {256: width, 257: height, 273: 0, 278: height, 279: len(data)}
    start = 8 + 2 + 12 * (len(shorts) + len(longs)) + 4
    longer = b"".join(struct.pack(f"<{len(v)}H", *v) for v in shorts.values() if len(v) > 2)
    longs[273] = start + len(longer)
    entries, position = b"", start
    for tag in sorted([*shorts, *longs]):
        if tag in longs:
            entries += struct.pack("<HHII", tag, LONG, 1, longs[tag])
        else:
            values = shorts[tag]
            entries += struct.pack("<HHI", tag, SHORT, len(values))
            if len(values) > 2:
                entries += struct.pack("<I", position)
                position += 2 * len(values)
            else:
                entries += struct.pack("<2H", *values, *(0,) * (2 - len(values)))
    return b"II*\0" + struct.pack("<IH", 8, len(shorts) + len(longs)) + entries + bytes(4) + longer + data
