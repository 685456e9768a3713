"""Raw maps of pictures whose defects are marked: what the map filter learns from."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ml.images import PreparedPicture
from ml.map_filter import MarkedMap
from ml.runtime.scores import CellScores, Reading
from ml.scoring import finite


def marked_map(
    reading: Reading, prepared: PreparedPicture, batches: Iterable[tuple[int, CellScores]], mask: NDArray[np.bool_]
) -> MarkedMap:
    """Join scored inputs into the raw map that `assemble` would filter, with the cells that hold any marked pixel.

    `mask` is bool (height, width) of the picture. Raises DetectorError for scores that are no numbers.
    """
    scores, truth = prepared.joiner(reading.offset_px), prepared.joiner(reading.offset_px)
    for start, scored in batches:
        cells = finite(scored.cells)
        scores.add(start, cells)
        inputs = torch.from_numpy(prepared.masks(mask, start, start + len(cells))).float()
        # A cell stands for what lies around its centre, which may be shifted against an even grid over the input.
        down, right = (math.floor(shift + 0.5) for shift in reading.offset_px)
        shifted = functional.pad(inputs, (-right, right, -down, down))
        truth.add(start, functional.adaptive_max_pool2d(shifted, cells.shape[1:]).numpy())
    raw = scores.score_map()
    return MarkedMap(raw.cells, truth.score_map().cells > 0, raw.inside)
