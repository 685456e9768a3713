"""Run-length codes of COCO: a mask's columns from left to right, off and on in turn, beginning with off; as a list of
numbers, or as text with six bits a letter ("compressed"), whose numbers from the fourth on are differences to the
one two before."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.inspection_area import Mask

_FIRST_LETTER: Final = 48
_VALUE, _SIGN, _MORE = 0x1F, 0x10, 0x20
_LARGEST: Final = 1 << 32


def counts_of(mask: Mask) -> list[int]:
    """Of a mask `(height, width)`."""
    pixels: NDArray[np.bool_] = mask.ravel(order="F")
    ends = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths: list[int] = np.diff(np.concatenate(([0], ends, [pixels.size]))).tolist()
    return [0, *lengths] if pixels[0] else lengths


def mask_of_counts(counts: Sequence[int], height: int, width: int) -> Mask:
    """bool `(height, width)`. Raises ValueError where the numbers do not fill a picture of that size."""
    if any(not isinstance(count, int) or count < 0 for count in counts) or sum(counts) != height * width:
        raise ValueError(f"its runs do not fill a picture of {width} x {height} px")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return pixels.reshape((height, width), order="F")


def compressed(counts: Sequence[int]) -> str:
    """The numbers as text."""
    letters = []
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        while True:
            bits, left = left & _VALUE, left >> 5
            is_last = left == (-1 if bits & _SIGN else 0)
            letters.append(chr(_FIRST_LETTER + (bits if is_last else bits | _MORE)))
            if is_last:
                break
    return "".join(letters)


def decompressed(text: str) -> list[int]:
    """Raises ValueError for what is no such text."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - _FIRST_LETTER
        if not 0 <= bits < 64 or abs(value) > _LARGEST:
            raise ValueError("its runs are no run-length code of COCO")
        value |= (bits & _VALUE) << shift
        shift += 5
        if not bits & _MORE:
            if bits & _SIGN:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("its runs are cut short")
    return counts
