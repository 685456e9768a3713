"""Where scores lie in the picture, which pixels make a region, and how they are coloured."""

import time
import tracemalloc
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from ml.errors import PictureError
from ml.maps import HEAT_RANGE, Region, ScoreMap, find_regions, heat_rgba, region_outlines


def random_cells(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((rows, columns), dtype=np.float32)


@st.composite
def score_maps(draw: st.DrawFn) -> ScoreMap:
    """Any geometry: a region of interest, padding, an offset, cells coarser and finer than pixels."""
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    top, left = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    rows, columns = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    cells = random_cells(rows, columns, draw(st.integers(0, 2**31)))
    if draw(st.booleans()):
        cells = np.round(cells * 3) / 3  # ties, plateaus and touching corners
    return ScoreMap(
        cells.astype(np.float32),
        top + height + draw(st.integers(0, 9)),
        left + width + draw(st.integers(0, 9)),
        top=top,
        left=left,
        height=height,
        width=width,
        covered_height=height + draw(st.floats(0, 20)),
        covered_width=width + draw(st.floats(0, 20)),
        offset_y=draw(st.floats(-8, 8)),
        offset_x=draw(st.floats(-8, 8)),
    )


def whole_picture_regions(score_map: ScoreMap, threshold: float) -> list[Region]:
    """The plain way: connected components of the full-size map, inside the scored rectangle."""
    values = score_map.at_picture_size()
    outside = np.full_like(values, -np.inf)
    box = np.s_[score_map.top : score_map.top + score_map.height, score_map.left : score_map.left + score_map.width]
    outside[box] = values[box]
    labels, count = ndimage.label(outside >= threshold, structure=np.ones((3, 3)))
    regions = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        pixels = labels == label
        own_rows, own_columns = np.nonzero(pixels[rows, columns])
        regions.append(
            Region(
                x=columns.start,
                y=rows.start,
                width=columns.stop - columns.start,
                height=rows.stop - rows.start,
                area_px=int(pixels.sum()),
                peak=float(values[pixels].max()),
                strength=float(values[pixels].mean(dtype=np.float64)),
                centre_x=columns.start + float(own_columns.mean()),
                centre_y=rows.start + float(own_rows.mean()),
            )
        )
    assert len(regions) == count
    return sorted(regions, key=lambda region: (-region.peak, region.y, region.x))


@settings(max_examples=300, deadline=None)
@given(score_maps(), st.floats(0, 1.05))
def test_that_regions_equal_those_of_the_full_size_map(score_map: ScoreMap, threshold: float) -> None:
    found = find_regions(score_map, threshold)
    expected = whole_picture_regions(score_map, threshold)
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert all(first.peak >= second.peak for first, second in pairwise(found))


@settings(max_examples=100, deadline=None)
@given(score_maps(), st.floats(0, 1.05))
def test_that_outlines_belong_to_the_regions_in_their_order(score_map: ScoreMap, threshold: float) -> None:
    regions = find_regions(score_map, threshold)
    outlines = region_outlines(score_map, threshold)
    assert len(outlines) == len(regions)
    for region, outline in zip(regions, outlines, strict=True):
        assert outline.min(axis=0).tolist() == [region.x, region.y]
        assert outline.max(axis=0).tolist() == [region.x + region.width - 1, region.y + region.height - 1]


@settings(max_examples=100, deadline=None)
@given(score_maps())
def test_that_the_map_is_the_bilinear_interpolation_between_cell_centres(score_map: ScoreMap) -> None:
    rows, columns = score_map.cells.shape
    y = np.arange(score_map.top, score_map.top + score_map.height)
    x = np.arange(score_map.left, score_map.left + score_map.width)
    cell_y = (y - score_map.top - score_map.offset_y + 0.5) * rows / score_map.covered_height - 0.5
    cell_x = (x - score_map.left - score_map.offset_x + 0.5) * columns / score_map.covered_width - 0.5
    places = np.meshgrid(cell_y, cell_x, indexing="ij")
    expected = ndimage.map_coordinates(score_map.cells.astype(np.float64), places, order=1, mode="nearest")
    values = score_map.at_picture_size()
    assert values.shape == (score_map.picture_height, score_map.picture_width)
    inside = values[y[0] : y[-1] + 1, x[0] : x[-1] + 1].copy()
    np.testing.assert_allclose(inside, expected, atol=1e-5)
    values[y[0] : y[-1] + 1, x[0] : x[-1] + 1] = score_map.cells.min()
    assert (values == score_map.cells.min()).all(), "outside the scored rectangle lies the lowest score"


def test_that_a_whole_picture_map_is_opencv_s_resize() -> None:
    cells = random_cells(28, 36)
    expected = cv2.resize(cells, (550, 380), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(ScoreMap.over(cells, 380, 550).at_picture_size(), expected, atol=1e-5)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (3.5, -1.25)])
@pytest.mark.parametrize("cell", [(5, 7), (12, 2), (20, 15)])
def test_that_a_bright_cell_lies_where_its_centre_is(cell: tuple[int, int], offset: tuple[float, float]) -> None:
    cells = np.zeros((32, 24), np.float32)
    cells[cell] = 1
    placed = ScoreMap(
        cells, 700, 500, top=60, left=90, height=500, width=380, covered_height=512, covered_width=384,
        offset_y=offset[0], offset_x=offset[1],
    )  # fmt: skip
    y, x = ndimage.center_of_mass(placed.at_picture_size())
    assert y == pytest.approx(60 + (cell[0] + 0.5) * 16 - 0.5 + offset[0], abs=0.02)
    assert x == pytest.approx(90 + (cell[1] + 0.5) * 16 - 0.5 + offset[1], abs=0.02)
    (region,) = find_regions(placed, 0.5)
    assert region.x + (region.width - 1) / 2 == pytest.approx(x, abs=1)
    assert region.y + (region.height - 1) / 2 == pytest.approx(y, abs=1)


def test_that_a_map_moves_with_its_region_of_interest() -> None:
    alone = ScoreMap.over(random_cells(8, 8), 64, 64)
    placed = alone.within(100, 120, top=20, left=30)
    np.testing.assert_array_equal(placed.at_picture_size()[20:84, 30:94], alone.at_picture_size())
    moved = [(region.x - 30, region.y - 20) for region in find_regions(placed, 0.7)]
    assert moved == [(region.x, region.y) for region in find_regions(alone, 0.7)]


def test_that_a_constant_map_stays_constant_to_the_last_bit() -> None:
    value = np.float32(0.1)
    assert (ScoreMap.over(np.full((9, 13), value), 97, 203).at_picture_size() == value).all()


def test_that_small_regions_can_be_left_out() -> None:
    cells = np.zeros((32, 32), np.float32)
    cells[4, 4], cells[20:24, 20:24] = 2, 1
    score_map = ScoreMap.over(cells, 32, 32)
    assert [region.area_px for region in find_regions(score_map, 1)] == [1, 16]
    assert [region.area_px for region in find_regions(score_map, 1, min_area_px=2)] == [16]
    assert len(region_outlines(score_map, 1, min_area_px=2)) == 1


def test_that_a_score_equal_to_the_threshold_is_a_region() -> None:
    assert find_regions(ScoreMap.over(np.full((3, 3), 0.7, np.float32), 64, 64), np.float32(0.7)) != ()


def test_that_a_map_at_display_size_matches_the_picture_size_one() -> None:
    score_map = ScoreMap.over(random_cells(8, 8), 400, 600)
    shrunk = cv2.resize(score_map.at_picture_size(), (300, 200), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(score_map.at_size(200, 300), shrunk, atol=0.02)


def test_that_no_cell_vanishes_when_the_display_is_coarser_than_the_cells() -> None:
    cells = np.zeros((1000, 1000), np.float32)
    cells[437, 611] = 1
    small = ScoreMap.over(cells, 8000, 8000).at_size(100, 100)
    assert small.max() == 1
    assert np.unravel_index(small.argmax(), small.shape) == (43, 61)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 60))
def test_that_smoothing_is_scipy_s_gaussian_filter(rows: int, columns: int, sigma_px: float) -> None:
    score_map = ScoreMap.over(random_cells(rows, columns), rows * 8, columns * 8)
    expected = ndimage.gaussian_filter(score_map.cells, sigma_px / 8, mode="reflect", truncate=4)
    np.testing.assert_allclose(score_map.smoothed(sigma_px).cells, expected, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(score_maps(), st.floats(1e-3, 1e6), st.floats(-1e3, 1e3))
def test_that_a_stored_map_comes_back(score_map: ScoreMap, scale: float, shift: float) -> None:
    cells = (score_map.cells * scale + shift).astype(np.float32)
    stored = ScoreMap(**{**{name: getattr(score_map, name) for name in GEOMETRY}, "cells": cells})
    back = ScoreMap.from_bytes(stored.to_bytes())
    assert {name: getattr(back, name) for name in GEOMETRY} == {name: getattr(stored, name) for name in GEOMETRY}
    tolerance = float(np.ptp(cells)) / 4096 + 2 * float(np.spacing(np.abs(cells).max()))
    np.testing.assert_allclose(back.cells, cells, atol=tolerance, rtol=0)


GEOMETRY = (
    "picture_height", "picture_width", "top", "left", "height", "width",
    "covered_height", "covered_width", "offset_y", "offset_x",
)  # fmt: skip


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: b"x" * len(data)])
def test_that_a_damaged_stored_map_is_an_error_for_people(damage: object) -> None:
    data = ScoreMap.over(random_cells(4, 4), 64, 64).to_bytes()
    with pytest.raises(PictureError, match="damaged"):
        ScoreMap.from_bytes(damage(data))  # type: ignore[operator]


@pytest.mark.parametrize(
    "change",
    [
        {"cells": np.full((2, 2), np.nan, np.float32)},
        {"cells": np.zeros((2, 2), np.float64)},
        {"top": 40},
        {"left": -1},
        {"covered_height": 10},
    ],
)
def test_that_parts_of_a_map_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    fitting = {
        "cells": np.zeros((2, 2), np.float32), "picture_height": 64, "picture_width": 64, "height": 32, "width": 32,
        "covered_height": 32, "covered_width": 32,
    }  # fmt: skip
    ScoreMap(**fitting)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        ScoreMap(**(fitting | change))  # type: ignore[arg-type]


def test_that_heat_has_one_scale_for_all_pictures() -> None:
    normal, threshold, far = heat_rgba(np.array([[0.0, 1.0, 2.0]], np.float32))[0].tolist()
    assert normal[3] == 0
    assert threshold[3] == far[3] == 255
    magma = cv2.applyColorMap(np.array([0, 128, 255], np.uint8), cv2.COLORMAP_MAGMA).reshape(3, 3)[:, ::-1].tolist()
    assert [normal[:3], threshold[:3], far[:3]] == magma
    alone = heat_rgba(np.array([[1.0]], np.float32))[0, 0].tolist()
    assert alone == threshold, "what else is in the picture must not matter"


def test_that_heat_holds_at_the_ends_of_its_scale() -> None:
    low, high = HEAT_RANGE
    beyond = heat_rgba(np.array([[-3.0, low, high, 1e30, np.inf, -np.inf]], np.float32))[0].tolist()
    assert beyond[0] == beyond[1] == beyond[5]
    assert beyond[2] == beyond[3] == beyond[4]


def test_that_heat_grows_more_opaque_up_to_the_threshold() -> None:
    alpha = heat_rgba(np.linspace(-1, 2, 200, dtype=np.float32)[None])[0, :, 3].astype(int)
    assert (np.diff(alpha) >= 0).all()
    assert set(np.unique(alpha[[0, -1]])) == {0, 255}


def test_that_a_map_without_defects_is_searched_in_no_time() -> None:
    score_map = ScoreMap.over(random_cells(1250, 1250), 10_000, 10_000)
    began = time.perf_counter()
    assert find_regions(score_map, 1.5) == ()
    assert time.perf_counter() - began < 0.1  # measured: 2 ms; the map at picture size would take most of a second


def test_that_a_defect_in_100_megapixels_needs_memory_for_the_defect_only() -> None:
    cells = random_cells(1250, 1250) * np.float32(0.5)
    cells[700:703, 40:45] = 1
    score_map = ScoreMap.over(cells, 10_000, 10_000)
    tracemalloc.start()
    regions = find_regions(score_map, 0.9)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(regions) == 1
    assert most < 20_000_000
