"""Patches cover every pixel; put together again, scores lie where they came from."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from ml.patches import OverlapAdd, PatchGrid, Window

SIZES = [(97, 203), (256, 1600), (33, 33), (1, 5000), (5000, 1)]

windows = st.sampled_from(["raised_cosine", "box"])


@st.composite
def grids(draw: st.DrawFn) -> PatchGrid:
    patch_height, patch_width = draw(st.integers(1, 48)), draw(st.integers(1, 48))
    return PatchGrid.plan(
        draw(st.integers(1, 150)),
        draw(st.integers(1, 150)),
        patch_height,
        patch_width,
        draw(st.integers(1, min(patch_height, patch_width))),
    )


@st.composite
def grids_with_margins(draw: st.DrawFn) -> PatchGrid:
    margin, counting_height, counting_width = (draw(st.integers(low, 24)) for low in (0, 1, 1))
    return PatchGrid.plan(
        draw(st.integers(1, 150)),
        draw(st.integers(1, 150)),
        counting_height + 2 * margin,
        counting_width + 2 * margin,
        draw(st.integers(1, min(counting_height, counting_width))),
        margin,
    )


def joined(grid: PatchGrid, cells: NDArray[np.float32], window: Window = "raised_cosine") -> OverlapAdd:
    total = OverlapAdd(grid, *cells.shape[1:], window)
    total.add(range(len(cells)), cells)
    return total


def at_pixels(total: OverlapAdd, grid: PatchGrid) -> NDArray[np.float32]:
    """The lattice at every pixel of the picture, by the place that the pixel's centre falls into."""
    unit_y, unit_x = total.unit_px
    rows = ((np.arange(grid.height) + 0.5) / unit_y).astype(int)
    columns = ((np.arange(grid.width) + 0.5) / unit_x).astype(int)
    return total.values()[np.ix_(rows, columns)]


@settings(max_examples=100, deadline=None)
@given(grids())
def test_that_the_patches_cover_every_pixel_and_no_patch_is_needless(grid: PatchGrid) -> None:
    seen = np.zeros((grid.covered_height, grid.covered_width), bool)
    for top, left in map(grid.corner, range(grid.count)):
        seen[top : top + grid.patch_height, left : left + grid.patch_width] = True
    assert seen.all()
    assert grid.covered_height >= grid.height and grid.covered_width >= grid.width
    for length, patch, number in (
        (grid.height, grid.patch_height, grid.rows),
        (grid.width, grid.patch_width, grid.columns),
    ):
        assert number == max(1, math.ceil((length - patch) / grid.stride) + 1)


@settings(max_examples=100, deadline=None)
@given(grids(), st.booleans())
def test_that_patches_are_cut_from_the_reflected_picture(grid: PatchGrid, is_colour: bool) -> None:
    shape = (grid.height, grid.width, 3) if is_colour else (grid.height, grid.width)
    pixels = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    padding = [(0, grid.covered_height - grid.height), (0, grid.covered_width - grid.width), (0, 0)][: pixels.ndim]
    padded = np.pad(pixels, padding, mode="reflect")
    for index, patch in enumerate(grid.cut(pixels, range(grid.count))):
        top, left = grid.corner(index)
        assert patch.dtype == np.uint16
        np.testing.assert_array_equal(patch, padded[top : top + grid.patch_height, left : left + grid.patch_width])


@settings(max_examples=50, deadline=None)
@given(grids_with_margins())
def test_that_within_margins_every_pixel_is_covered_and_no_patch_is_needless(grid: PatchGrid) -> None:
    counting = grid.within_margins
    assert (counting.rows, counting.columns) == (grid.rows, grid.columns)
    for length, patch, number in (
        (grid.height, counting.patch_height, grid.rows),
        (grid.width, counting.patch_width, grid.columns),
    ):
        assert (number - 1) * grid.stride + patch >= length
        assert number == 1 or (number - 2) * grid.stride + patch < length


def test_that_tiles_side_by_side_count_every_pixel_once() -> None:
    grid = PatchGrid.plan(150, 170, 32 + 2 * 16, 32 + 2 * 16, 32, 16)
    times = np.zeros((grid.covered_height, grid.covered_width), int)
    for top, left in map(grid.corner, range(grid.count)):
        times[top + 16 : top + 48, left + 16 : left + 48] += 1
    assert (times[16 : 16 + 150, 16 : 16 + 170] == 1).all()


@settings(max_examples=50, deadline=None)
@given(grids_with_margins())
def test_that_margins_show_the_reflected_picture_on_all_four_sides(grid: PatchGrid) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (grid.height, grid.width), dtype=np.uint8)
    after = (max(0, grid.covered_height - grid.height), max(0, grid.covered_width - grid.width))
    padded = np.pad(pixels, [(grid.margin, after[0]), (grid.margin, after[1])], mode="reflect")
    for index, patch in enumerate(grid.cut(pixels, range(grid.count))):
        top, left = grid.corner(index)
        np.testing.assert_array_equal(patch, padded[top : top + grid.patch_height, left : left + grid.patch_width])


def test_that_patches_inside_the_picture_are_not_copied() -> None:
    pixels = np.zeros((256, 1600), np.uint8)
    grid = PatchGrid.plan(256, 1600, 64, 64, 64)
    assert all(np.shares_memory(patch, pixels) for patch in grid.cut(pixels, range(grid.count)))


@settings(max_examples=150, deadline=None)
@given(grids(), st.floats(-1e3, 1e3, width=32), windows, st.data())
def test_that_a_constant_stays_constant(grid: PatchGrid, value: float, window: Window, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, max(1, grid.patch_height // 4)))
    columns = data.draw(st.integers(1, max(1, grid.patch_width // 4)))
    cells = np.full((grid.count, rows, columns), value, np.float32)
    np.testing.assert_allclose(at_pixels(joined(grid, cells, window), grid), value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("cells", [1, 4, 8])
def test_rule_07_a_constant_stays_constant_up_to_the_last_row_and_column(height: int, width: int, cells: int) -> None:
    grid = PatchGrid.plan(height, width, 32, 32, 24)
    total = joined(grid, np.full((grid.count, cells, cells), 3.7, np.float32))
    values = at_pixels(total, grid)
    assert values.shape == (height, width)
    np.testing.assert_allclose(values, 3.7, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(grids(), windows)
def test_that_the_lattice_ends_with_the_picture(grid: PatchGrid, window: Window) -> None:
    total = joined(grid, np.zeros((grid.count, 1, 1), np.float32), window)
    rows, columns = total.values().shape
    unit_y, unit_x = total.unit_px
    assert (rows - 1) * unit_y < grid.height <= rows * unit_y + 1e-9
    assert (columns - 1) * unit_x < grid.width <= columns * unit_x + 1e-9


@pytest.mark.parametrize("window", ["raised_cosine", "box"])
@pytest.mark.parametrize(("height", "width"), [(97, 203), (256, 1600), (33, 33)])
def test_that_scores_come_back_where_they_were_cut(height: int, width: int, window: Window) -> None:
    """What is the mean of each cell's pixels in every patch is the mean of those pixels in the map: no shift."""
    grid = PatchGrid.plan(height, width, 32, 32, 8)
    picture = np.random.default_rng(1).random((height, width), dtype=np.float32)
    cells = np.stack([patch.reshape(8, 4, 8, 4).mean(axis=(1, 3)) for patch in grid.cut(picture, range(grid.count))])
    total = joined(grid, cells, window)
    padding = ((0, grid.covered_height - height), (0, grid.covered_width - width))
    padded = np.pad(picture, padding, mode="reflect")
    means = padded.reshape(grid.covered_height // 4, 4, grid.covered_width // 4, 4).mean(axis=(1, 3))
    values = total.values()
    np.testing.assert_allclose(values, means[: values.shape[0], : values.shape[1]], rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 120), st.integers(20, 120), st.sampled_from([3, 5, 8, 13]), st.sampled_from([8, 12, 20, 32]))
def test_that_a_bright_square_is_found_within_one_cell(y: int, x: int, cells: int, stride: int) -> None:
    """Cells that do not divide the patch included."""
    picture = np.zeros((150, 170), np.float32)
    picture[y - 3 : y + 4, x - 3 : x + 4] = 1
    grid = PatchGrid.plan(150, 170, 40, 40, stride)
    edges = np.linspace(0, 40, cells + 1)
    share = np.clip(np.minimum(edges[1:, None], np.arange(1, 41)) - np.maximum(edges[:-1, None], np.arange(40)), 0, 1)
    scores = [(share @ patch @ share.T).astype(np.float32) for patch in grid.cut(picture, range(grid.count))]
    found = ndimage.center_of_mass(at_pixels(joined(grid, np.stack(scores)), grid))
    assert found == pytest.approx((y, x), abs=40 / cells)


def test_that_portions_and_their_order_do_not_matter() -> None:
    grid = PatchGrid.plan(97, 203, 32, 32, 20)
    cells = np.random.default_rng(2).random((grid.count, 8, 8), dtype=np.float32)
    total = OverlapAdd(grid, 8, 8)
    for start in reversed(range(0, grid.count, 3)):
        total.add(range(start, min(start + 3, len(cells))), cells[start : start + 3])
    np.testing.assert_allclose(total.values(), joined(grid, cells).values(), rtol=1e-5)


def test_that_a_part_of_the_patches_makes_a_map_without_holes() -> None:
    grid = PatchGrid.plan(256, 1600, 64, 64, 48)
    total = OverlapAdd(grid, 8, 8)
    total.add([3, 4], np.full((2, 8, 8), 5, np.float32))
    total.add([9], np.full((1, 8, 8), 2, np.float32))
    values = total.values()
    assert np.isfinite(values).all()
    assert values.min() == pytest.approx(2)
    assert values.max() == pytest.approx(5)
    assert values[-1, -1] == values.min()


def test_that_no_patches_make_no_map() -> None:
    with pytest.raises(ValueError, match="no patch"):
        OverlapAdd(PatchGrid.plan(64, 64, 32, 32, 32), 8, 8).values()


def test_that_the_raised_cosine_trusts_the_middle_of_a_patch_more_than_its_edge() -> None:
    grid = PatchGrid.plan(32, 48, 32, 32, 16)
    cells = np.stack([np.zeros((8, 8)), np.ones((8, 8))]).astype(np.float32)
    smooth = joined(grid, cells).values()[0, 4:8]
    box = joined(grid, cells, "box").values()[0, 4:8]
    assert (np.diff(smooth) > 0).all()
    assert (box == 0.5).all()


def test_that_each_cell_s_value_survives_where_one_patch_alone_sees_it() -> None:
    grid = PatchGrid.plan(40, 40, 40, 40, 40)
    cells = np.random.default_rng(3).random((1, 13, 13), dtype=np.float32)
    np.testing.assert_allclose(np.unique(joined(grid, cells).values()), np.unique(cells), rtol=1e-6)


@pytest.mark.parametrize("sizes", [(64, 64, 32, 32, 33), (64, 64, 32, 16, 20), (0, 64, 32, 32, 8), (64, 64, 32, 32, 0)])
def test_that_a_grid_that_leaves_pixels_out_is_refused(sizes: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError):
        PatchGrid.plan(*sizes)


def test_that_memory_is_that_of_the_lattice_not_of_the_picture() -> None:
    grid = PatchGrid.plan(10_000, 10_000, 256, 256, 192)
    cells = np.ones((1, 32, 32), np.float32)
    tracemalloc.start()
    total = OverlapAdd(grid, 32, 32)
    for index in range(grid.count):
        total.add([index], cells)
    values = total.values()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert values.shape == (1250, 1250)
    assert most < 80_000_000
