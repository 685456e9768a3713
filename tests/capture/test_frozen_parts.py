"""The demo line's renderer is frozen: figures of docs/benchmarks.md were measured on exactly these parts.

`frozen_parts.png` holds some parts of every kind as averages over blocks of 12 x 12 px, with the masks below. Averages
and not the pixels' own hash, because float32 sums round otherwise on another processor: with every SIMD extension of
NumPy and OpenCV switched off one pixel in a million is one grey level off, a block 0.014 at most.

Whoever changes the renderer on purpose writes `frozen_sheet()` there anew and measures everything again:
`python -m tests.bench.valve_seat`.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.pictures import read_picture
from station.capture.demo_line import DEFECT_KINDS, render_part

GOLDEN = Path(__file__).with_name("frozen_parts.png")
GOLDEN_SHA256 = "a57e8b4c9a0f94899a1ed1391f22fb412d0078d33d38d2252c5101c7c68c1824"
SEED, PARTS, SIZE_PX, BLOCK_PX = 318, 3, 384, 12
TOLERANCE = 0.05
"""Grey levels: three times what a processor does, a twentieth of what a person could see in one block."""


def _blocks(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Averages over blocks in 1/256 grey level, `(size / block, size / block, channels)`."""
    cells = SIZE_PX // BLOCK_PX
    averages = pixels.reshape(cells, BLOCK_PX, cells, BLOCK_PX, -1).mean(axis=(1, 3))
    return np.round(averages * 256).astype(np.uint16)


def frozen_sheet() -> NDArray[np.uint16]:
    """A row per part, a column per kind, and the same again for the masks."""
    rendered = [[render_part(SEED, part, kind, SIZE_PX) for kind in (None, *DEFECT_KINDS)] for part in range(PARTS)]
    pictures = [np.hstack([_blocks(pixels) for pixels, _ in row]) for row in rendered]
    masks = [np.hstack([_blocks(mask.astype(np.uint8) * np.uint8(255)) for _, mask in row]) for row in rendered]
    return np.vstack([*pictures, *(mask.repeat(3, axis=2) for mask in masks)])


def test_that_the_frozen_parts_are_those_that_were_measured_on() -> None:
    assert hashlib.sha256(read_picture(GOLDEN).pixels.tobytes()).hexdigest() == GOLDEN_SHA256


def test_that_the_renderer_draws_the_frozen_parts() -> None:
    frozen = read_picture(GOLDEN).pixels.astype(np.float64) / 256
    difference = np.abs(frozen_sheet() / 256 - frozen)
    pictures, masks = np.vsplit(difference, 2)
    assert pictures.max() < TOLERANCE
    assert (masks > 0).sum() <= 3  # of 12,000: a pixel on the outline that rounds the other way
