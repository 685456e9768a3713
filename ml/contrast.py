"""Contrast-limited adaptive histogram equalisation (CLAHE) of the lightness, at any bit depth. No torch.

K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994. Colours are taken to CIELAB,
where only L is equalised, so that hue and saturation stay.

8-bit pictures go through OpenCV. Its 16-bit CLAHE counts 65,536 classes, more than a tile has pixels: the clip limit,
at least one count, then lets nothing be raised where values repeat, and anything where they do not. Deeper pictures get
the 256 classes of 8-bit ones here, their mapping interpolated between the classes, so that what `clip` means does not
depend on the camera.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import Pixels
from ml.preprocessing import Clahe

_CLASSES = 256
_LAB_LIGHTNESS = 100.0
"""White on the L axis of OpenCV's float CIELAB."""


def equalised(pixels: Pixels, clahe: Clahe, window: tuple[float, float]) -> Pixels:
    """A copy of `(H, W)` grey or `(H, W, 3)` RGB pixels, uint8 or uint16, evened out within `window`.

    `window` are the raw counts that are black and white; what lies outside is clipped. Shape, type and counts stay
    those of the picture.
    """
    if pixels.dtype == np.uint8 and window == (0.0, 255.0):
        return _shallow(pixels.astype(np.uint8, copy=False), clahe)
    low, high = window
    values = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
    if values.ndim == 2:
        values = _deep(values, clahe)
    else:
        lab = cv2.cvtColor(values, cv2.COLOR_RGB2LAB)
        lab[..., 0] = _deep(lab[..., 0] / _LAB_LIGHTNESS, clahe) * _LAB_LIGHTNESS
        values = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
    counts = np.clip(np.round(low + values * (high - low)), 0, np.iinfo(pixels.dtype).max)
    same_type: Pixels = counts.astype(pixels.dtype)
    return same_type


def _shallow(pixels: NDArray[np.uint8], clahe: Clahe) -> NDArray[np.uint8]:
    equaliser = cv2.createCLAHE(clahe.clip, (clahe.tiles, clahe.tiles))
    if pixels.ndim == 2:
        return np.asarray(equaliser.apply(pixels), np.uint8)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def _deep(lightness: NDArray[np.float32], clahe: Clahe) -> NDArray[np.float32]:
    """Equalise `(H, W)` values between 0 and 1: between the middles of four tiles, their mappings are blended."""
    height, width = lightness.shape
    position = lightness * (_CLASSES - 1)
    tile_height, tile_width = -(-height // clahe.tiles), -(-width // clahe.tiles)
    padding = (0, tile_height * clahe.tiles - height), (0, tile_width * clahe.tiles - width)
    classes = np.pad(np.round(position).astype(np.uint8), padding, mode="symmetric")
    tables = _tables(classes, clahe)
    below = np.minimum(position.astype(np.intp), _CLASSES - 2)
    share = position - below
    result = np.empty((height, width), np.float32)
    for rows, upper, lower, down in _between(height, tile_height, clahe.tiles):
        for columns, left, right, across in _between(width, tile_width, clahe.tiles):
            block = below[rows, columns], share[rows, columns]
            (top_left, top_right), (bottom_left, bottom_right) = (
                [_looked_up(tables[row, column], *block) for column in (left, right)] for row in (upper, lower)
            )
            top = top_left + (top_right - top_left) * across
            bottom = bottom_left + (bottom_right - bottom_left) * across
            result[rows, columns] = top + (bottom - top) * down[:, np.newaxis]
    return result


def _looked_up(table: NDArray[np.float32], below: NDArray[np.intp], share: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = table[below], table[below + 1]
    return np.asarray(low + (high - low) * share, np.float32)


def _tables(classes: NDArray[np.uint8], clahe: Clahe) -> NDArray[np.float32]:
    """`(tiles, tiles, 256)`: what each tile makes of each class, 0 to 1."""
    tiles = clahe.tiles
    tile_height, tile_width = classes.shape[0] // tiles, classes.shape[1] // tiles
    area = tile_height * tile_width
    limit = max(1, int(clahe.clip * area / _CLASSES))
    by_tile = classes.reshape(tiles, tile_height, tiles, tile_width).swapaxes(1, 2).reshape(tiles * tiles, area)
    counts = np.stack([np.bincount(tile, minlength=_CLASSES) for tile in by_tile])
    clipped = np.minimum(counts, limit)
    # What was clipped goes to all classes alike; the few counts that are left go to every so-manyth, as in OpenCV.
    for_each, left = np.divmod((counts - clipped).sum(axis=1), _CLASSES)
    clipped += for_each[:, np.newaxis]
    for tile, few in zip(clipped, left.tolist(), strict=True):
        if few:
            tile[:: max(_CLASSES // few, 1)][:few] += 1
    shares = np.cumsum(clipped, axis=1) / area
    return np.asarray(shares.reshape(tiles, tiles, _CLASSES), np.float32)


def _between(length: int, tile: int, tiles: int) -> list[tuple[slice, int, int, NDArray[np.float32]]]:
    """The stretches of an axis between neighbouring tiles' middles: pixels, both tiles, weight of the second."""
    position = (np.arange(length) + 0.5) / tile - 0.5
    first = np.floor(position).astype(int)
    stretches = []
    for before in range(-1, tiles):
        start, stop = np.searchsorted(first, [before, before + 1])
        if start < stop:
            share = (position[start:stop] - before).astype(np.float32)
            ends = max(before, 0), min(before + 1, tiles - 1)
            stretches.append((slice(int(start), int(stop)), *ends, share))
    return stretches
