"""Regions of the heat map against marked defects."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from station.projects.defect_areas import DefectAreas, defect_areas
from station.projects.evidence import Evidence
from tests.projects.evidence import SIDE_PX, scored, write_candidate, write_sheet


def write_mask(path: Path, *spots: tuple[int, int]) -> Path:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for top, left in spots:
        mask[top : top + 4, left : left + 4] = 255
    cv2.imwrite(str(path), mask)
    return path


def test_that_a_marked_defect_counts_as_found_where_a_region_meets_it(tmp_path: Path) -> None:
    met, half_met = write_mask(tmp_path / "met.png", (14, 14)), write_mask(tmp_path / "half.png", (14, 14), (0, 0))
    rows = (
        scored("good", "good", 8.0),
        scored("spotted", "good", 9.0, spot_px=6),
        scored("dent", "bad", 30.0, spot_px=8).model_copy(update={"mask": met}),
        scored("dents", "bad", 31.0, spot_px=8).model_copy(update={"mask": half_met}),
        scored("unmarked", "bad", 32.0, spot_px=8),
        scored("gone", "bad", 33.0, spot_px=8).model_copy(update={"mask": tmp_path / "gone.png"}),
    )
    model = tmp_path / "model.loupe"
    write_sheet(model, write_candidate(model), rows)
    found = defect_areas(Evidence.read(model))
    assert found == DefectAreas(found=pytest.approx(2 / 3), false_per_good=0.5)


def test_that_without_tests_nothing_is_told(tmp_path: Path) -> None:
    write_candidate(tmp_path / "model.loupe")
    assert defect_areas(Evidence.read(tmp_path / "model.loupe")) == DefectAreas(None, None)
