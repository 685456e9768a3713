"""Pictures of a training and what its networks make of them, as one small PNG for the Training page."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import encode_png
from ml.training.monitor import Reconstructions

MOST_PICTURES = 8
LARGEST_SIDE_PX = 128
SMALLEST_SIDE_PX = 16
MOST_BYTES = 150_000
"""As base64, 200 kB in one line of JSON."""


def sample_sheet(pictures: Reconstructions) -> bytes:
    """PNG of two rows: up to eight originals, and below each what was made of it. Smaller until it keeps the limit."""
    rows = [np.concatenate(list(row[:MOST_PICTURES]), axis=1) for row in (pictures.originals, pictures.made)]
    sheet = np.concatenate(rows, axis=0)
    side = min(LARGEST_SIDE_PX, max(pictures.originals.shape[1:3]))
    while True:
        png = encode_png(_scaled(sheet, side / max(pictures.originals.shape[1:3])))
        if len(png) <= MOST_BYTES or side <= SMALLEST_SIDE_PX:
            return png
        side = side * 3 // 4


def _scaled(sheet: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    if factor == 1:
        return sheet
    height, width = (max(1, round(side * factor)) for side in sheet.shape[:2])
    scaled: NDArray[np.uint8] = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
    return scaled
