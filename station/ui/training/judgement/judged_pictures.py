"""Scored pictures for the screen, made outside the GUI thread. No widgets."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest
from ml.calibration import Calibration
from ml.dataset import LabelledPicture, read_mask
from ml.errors import LoupeError
from ml.maps import ScoreMap, find_regions, heat_rgba, region_outlines
from ml.pictures import Pixels, read_picture
from ml.score_sheet import ScoredRow, read_row_map
from station.core.inspection import Outline
from station.core.presentation import THUMBNAIL_SIDE_PX, displayed
from station.ui.widgets.region_item import RegionMark

AROUND_TRUTH = 0.008
"""Of the picture's longer side: the outline of a true defect runs so far outside, and hides no fine crack."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPicture:
    """`picture` `(h, w, 3)` uint8 RGB, `heat` `(h, w, 4)` uint8 RGBA or None; one pixel of the captured picture is
    `scale` of these. `marks` are the regions, on the normalised scale, `truth` outlines of where defects truly are;
    both in pixels of the captured picture."""

    picture: NDArray[np.uint8]
    heat: NDArray[np.uint8] | None
    scale: float
    marks: tuple[RegionMark, ...] = ()
    truth: tuple[Outline, ...] = ()


def window_of(manifest: Manifest) -> tuple[float, float]:
    """The raw counts that become black and white."""
    return manifest.preprocessing.window_low, manifest.preprocessing.window_high


def thumbnail_of(file: Path, window: tuple[float, float]) -> NDArray[np.uint8]:
    """`(h, w, 3)` uint8 RGB, the longer side at most THUMBNAIL_SIDE_PX. Raises PictureError."""
    return displayed(read_picture(file).pixels, window, THUMBNAIL_SIDE_PX)


def judged_picture(
    row: ScoredRow, folder: Path, calibration: Calibration, window: tuple[float, float]
) -> JudgedPicture:
    """A row of a sheet with its heat map. Raises LoupeError where its picture or its map is gone."""
    score_map = read_row_map(folder, row)
    pixels = read_picture(row.file).pixels
    return with_map(pixels, score_map, calibration, window, _true_outlines(row, pixels))


def with_map(
    pixels: Pixels,
    score_map: ScoreMap | None,
    calibration: Calibration,
    window: tuple[float, float],
    truth: tuple[Outline, ...] = (),
) -> JudgedPicture:
    """A picture with a map, coloured by the calibration's scale."""
    shown = displayed(pixels, window)
    scale = shown.shape[1] / pixels.shape[1]
    if score_map is None:
        return JudgedPicture(shown, None, scale, truth=truth)
    heat = heat_rgba(calibration.normalise_map(score_map.at_size(*shown.shape[:2])))
    level = calibration.pixel_threshold
    regions, outlines = find_regions(score_map, level), region_outlines(score_map, level)
    marks = tuple(
        RegionMark(_corners(outline), f"{float(calibration.normalise_map(region.peak)):.2f}")
        for region, outline in zip(regions, outlines, strict=True)
    )
    return JudgedPicture(shown, heat, scale, marks, truth)


def _corners(outline: NDArray[np.int32]) -> Outline:
    """Through the middles of the outermost pixels; around a region too small for a polygon, its box."""
    if len(outline) < 3:
        (left, top), (right, bottom) = outline.min(axis=0).tolist(), (outline.max(axis=0) + 1).tolist()
        return ((left, top), (right, top), (right, bottom), (left, bottom))
    return tuple((x + 0.5, y + 0.5) for x, y in outline.tolist())


def _true_outlines(row: ScoredRow, pixels: Pixels) -> tuple[Outline, ...]:
    """Nothing where the mask is gone: the picture is worth showing all the same."""
    if row.mask is None:
        return ()
    try:
        mask = read_mask(LabelledPicture(row.file, "anomaly", row.kind, row.mask), pixels.shape)
    except LoupeError:
        return ()
    if mask is None:
        return ()
    reach = max(1, round(AROUND_TRUTH * max(mask.shape)))
    around = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    contours, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return tuple(_corners(contour.reshape(-1, 2)) for contour in contours)
