"""How well the regions of the heat map meet the defects that were marked on the test pictures. No Qt, no torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.dataset import LabelledPicture, read_mask
from ml.errors import LoupeError
from ml.image_metrics import NotMeasurableError
from ml.pixel_areas import PixelAreas
from ml.pixel_metrics import regions_of
from ml.score_sheet import ScoredRow, read_row_map
from station.projects.evidence import Evidence


@dataclass(frozen=True, slots=True)
class DefectAreas:
    """At the model's pixel threshold, which no choice moves: the share of marked defects that a region meets, and how
    many regions a good picture shows on average. None where no such picture was tested with."""

    found: float | None
    false_per_good: float | None


def defect_areas(evidence: Evidence) -> DefectAreas:
    """Reads every mask and every map: not for the GUI thread. Pictures whose mask or map is gone are left out."""
    areas = PixelAreas()
    for row in evidence.rows:
        try:
            _add(areas, evidence, row)
        except LoupeError:
            continue
    return DefectAreas(_told(lambda: areas.region_recall), _told(lambda: areas.false_regions_per_good))


def _add(areas: PixelAreas, evidence: Evidence, row: ScoredRow) -> None:
    if row.label == "unsure" or (row.label == "bad" and row.mask is None):
        return
    score_map = read_row_map(evidence.folder, row)
    if score_map is None:
        return
    predicted = score_map.at_picture_size() >= np.float32(evidence.manifest.calibration.pixel_threshold)
    if row.label == "good":
        areas.add_normal(predicted)
        return
    mask = read_mask(LabelledPicture(row.file, "anomaly", row.kind, row.mask), predicted.shape)
    if mask is not None and mask.any():
        areas.add_defective(predicted, mask, regions_of(mask))


def _told(measure: Callable[[], float]) -> float | None:
    try:
        return measure()
    except NotMeasurableError:
        return None
