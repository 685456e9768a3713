"""What a screen shows: 8-bit RGB in the recipe's window, heat on its fixed scale, outlines that belong to regions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ml.judging import judge
from ml.maps import Detection, ScoreMap
from station.core.inspection import PartView
from station.core.inspector import faulted
from station.core.presentation import HEAT_SHARE, VIEW_SIDE_PX, PartPresenter, displayed, overlaid
from station.core.verdict import Verdict
from tests import fakes

SIDE = 96


def view_of(cells: np.ndarray, score: float, side: int = SIDE) -> PartView:
    calibration = fakes.manifest().calibration
    score_map = ScoreMap.over(cells.astype(np.float32), side, side)
    judgement = judge(Detection(score, score_map), calibration, None)
    inspection = replace(
        faulted("", None, frame=fakes.frame()).inspection, verdict=Verdict(judgement.verdict), regions=judgement.regions
    )
    presenter = PartPresenter(fakes.pixels(side_px=side), (0, 255), calibration)
    return presenter.view(score_map, inspection)


def two_blobs() -> np.ndarray:
    cells = np.full((12, 12), 0.5)
    cells[2:4, 2:4] = 9.0
    cells[8:11, 7:10] = 6.0
    return cells


def test_that_a_picture_is_shown_in_the_recipe_s_window() -> None:
    pixels = np.array([[0, 100], [200, 4095]], np.uint16).repeat(16, 0).repeat(16, 1)
    shown = displayed(pixels, (0, 200))
    assert shown.dtype == np.uint8
    assert shown.shape == (32, 32, 3)
    assert [shown[0, 0, 0], shown[0, -1, 0], shown[-1, -1, 0]] == [0, 127, 255]


def test_that_a_large_picture_is_shrunk_for_the_screen_and_a_small_one_is_left() -> None:
    assert displayed(np.zeros((100, 4000), np.uint8), (0, 255)).shape == (40, VIEW_SIDE_PX, 3)
    assert displayed(np.zeros((33, 5), np.uint8), (0, 255)).shape == (33, 5, 3)


@pytest.mark.parametrize("size", [(1024, 1280), (1500, 2000), (3001, 3999)])
def test_that_a_shrunken_picture_lies_where_the_mean_over_areas_does(size: tuple[int, int]) -> None:
    coarse = np.random.default_rng(0).random((12, 16, 3), dtype=np.float32)
    pixels = (cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)
    shown = displayed(pixels, (0, 255), 700)
    expected = cv2.resize(pixels, shown.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - expected).max() <= 4  # of 255; from one pixel to the next there are up to 6


@pytest.mark.parametrize("window", [(0, 4095), (30.5, 200), (-20, 100), (100, 150)])
def test_that_counts_are_cut_off_to_whole_shares_of_the_window(window: tuple[float, float]) -> None:
    counts = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    low, high = window
    expected = np.clip((counts.astype(np.float64) - low) * 255 / (high - low), 0, 255)
    difference = expected - displayed(counts, window)[..., 0]
    assert difference.min() > -0.01
    assert difference.max() < 1


def test_that_every_region_has_the_outline_that_lies_in_its_box() -> None:
    view = view_of(two_blobs(), 9.0)
    assert view.inspection is not None
    assert len(view.outlines) == len(view.inspection.regions) == 2
    for region, outline in zip(view.inspection.regions, view.outlines, strict=True):
        x, y = np.array(outline).T
        assert region.x <= x.min() < x.max() <= region.x + region.width
        assert region.y <= y.min() < y.max() <= region.y + region.height
        assert len(outline) > 4, "an outline, not the box"


def test_that_outlines_survive_storing_the_map_at_half_precision() -> None:
    calibration = fakes.manifest().calibration
    fresh = view_of(two_blobs(), 9.0)
    stored = ScoreMap.from_bytes(ScoreMap.over(two_blobs().astype(np.float32), SIDE, SIDE).to_bytes())
    again = PartPresenter(fakes.pixels(side_px=SIDE), (0, 255), calibration).view(stored, fresh.inspection)
    for before, after in zip(fresh.outlines, again.outlines, strict=True):
        assert np.array(after).min(axis=0) == pytest.approx(np.array(before).min(axis=0), abs=1.5)


def test_that_the_hot_spot_of_an_ng_part_without_region_is_outlined() -> None:
    cells = np.full((12, 12), 0.5)
    cells[5:7, 5:7] = fakes.manifest().calibration.pixel_threshold * 0.98
    view = view_of(cells, 9.0)
    assert view.inspection is not None and view.inspection.verdict is Verdict.NG
    (outline,) = view.outlines
    assert 30 < np.array(outline).mean() < 66


def test_that_a_region_without_its_map_keeps_its_box() -> None:
    inspection = view_of(two_blobs(), 9.0).inspection
    assert inspection is not None
    view = PartPresenter(fakes.pixels(side_px=SIDE), (0, 255), fakes.manifest().calibration).view(None, inspection)
    region = inspection.regions[0]
    assert view.outlines[0][0] == (region.x, region.y)
    assert view.outlines[0][2] == (region.x + region.width, region.y + region.height)


def test_that_a_part_still_being_scored_has_heat_and_no_outline() -> None:
    presenter = PartPresenter(fakes.pixels(side_px=SIDE), (0, 255), fakes.manifest().calibration)
    view = presenter.view(ScoreMap.over(two_blobs().astype(np.float32), SIDE, SIDE), None)
    assert view.outlines == ()
    assert view.heat is not None and view.heat.shape == (SIDE, SIDE, 4)
    assert view.picture is presenter.picture, "previews and the final view share the picture"


def test_that_an_overlay_file_shows_heat_and_outlines() -> None:
    view = view_of(two_blobs(), 9.0)
    image = overlaid(view)
    assert image.shape == view.picture.shape
    assert not np.array_equal(image, view.picture)
    assert view.heat is not None
    share = view.heat[..., 3:] / 255 * HEAT_SHARE
    plain = view.picture * (1 - share) + view.heat[..., :3] * share
    beside = (np.abs(image - plain).max(axis=2) < 1).mean()
    assert beside > 0.5, "everywhere but on the outlines"
    orange = (np.abs(image.astype(int) - (235, 119, 71)).max(axis=2) < 40).sum()
    assert orange > 50
