"""The learned map filter: what it learns, what it leaves as it is, and where it is applied."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.errors import ModelFileError, TrainingError
from ml.image_metrics import auroc
from ml.map_filter import MarkedMap, checked_filter, filtered, learn_filter
from ml.maps import ScoreMap

BOX = np.full((3, 3), 1 / 9, np.float32)


def _with_line(seed: int, rows: int = 40, columns: int = 48) -> MarkedMap:
    """A faint upright line of one cell's width, 15 cells long, in strong noise."""
    random = np.random.default_rng(seed)
    marked = np.zeros((rows, columns), bool)
    top, left = random.integers(1, rows - 16), random.integers(1, columns - 1)
    marked[top : top + 15, left] = True
    cells = random.normal(5.0, 1.0, (rows, columns)) + 1.5 * marked
    return MarkedMap(cells.astype(np.float32), marked)


def _separation(maps: list[MarkedMap], kernel: NDArray[np.float32] | None) -> float:
    scores = [filtered(ScoreMap.over(one.cells, *one.cells.shape), kernel).cells.ravel() for one in maps]
    truth = [one.marked.ravel() for one in maps]
    return auroc(np.concatenate(truth), np.concatenate(scores))


@pytest.mark.parametrize("side", [3, 5, 7])
def test_that_a_filter_learnt_on_elongated_defects_beats_the_raw_map_and_the_mean(side: int) -> None:
    kernel = learn_filter([_with_line(seed) for seed in range(12)], side)
    unseen = [_with_line(seed) for seed in range(100, 120)]
    learned, box, raw = (_separation(unseen, one) for one in (kernel, BOX, None))
    assert learned > box + 0.02
    assert learned > raw + 0.02
    across, along = kernel[side // 2].sum(), kernel[:, side // 2].sum()
    assert along > 0.8 > 2 * across  # it has learnt which way the defects run


def test_that_a_kernel_is_a_weighted_mean_so_that_scores_keep_their_scale() -> None:
    kernel = learn_filter([_with_line(seed) for seed in range(4)], 5)
    assert kernel.dtype == np.float32
    assert (kernel >= 0).all()
    assert kernel.sum() == pytest.approx(1)
    constant = ScoreMap.over(np.full((20, 30), 7.5, np.float32), 20, 30)
    np.testing.assert_allclose(filtered(constant, kernel).cells, 7.5, rtol=1e-6)
    cells = _with_line(50).cells
    smooth = filtered(ScoreMap.over(cells, *cells.shape), kernel).cells
    assert cells.min() <= smooth.min() <= smooth.max() <= cells.max()


def test_that_what_is_learnt_depends_on_neither_the_scale_of_the_scores_nor_chance() -> None:
    maps = [_with_line(seed) for seed in range(6)]
    kernel = learn_filter(maps, 3)
    np.testing.assert_array_equal(learn_filter(maps, 3), kernel)
    scaled = [MarkedMap(one.cells * 1e4 - 300, one.marked) for one in maps]
    np.testing.assert_allclose(learn_filter(scaled, 3), kernel, atol=1e-3)


def test_that_without_a_direction_cells_equally_far_from_the_middle_weigh_the_same() -> None:
    """Upright and lying lines alike: their directions are chance, and what is left is how far they reach."""
    upright = [_with_line(seed) for seed in range(8)]
    lying = [MarkedMap(one.cells.T.copy(), one.marked.T.copy()) for one in upright]
    kernel = learn_filter(upright[:6] + lying[6:], 5, is_directed=False)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-6)
    np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-6)
    assert kernel.sum() == pytest.approx(1)
    unseen = [_with_line(seed) for seed in range(100, 110)]
    unseen += [MarkedMap(one.cells.T.copy(), one.marked.T.copy()) for one in unseen]
    assert _separation(unseen, kernel) > _separation(unseen, None) + 0.02


def test_that_few_defect_cells_among_many_others_are_not_outvoted() -> None:
    """One marked map among many good ones teaches about the same as alone."""
    good = [MarkedMap(_with_line(seed).cells, np.zeros((40, 48), bool)) for seed in range(200, 230)]
    marked = [_with_line(seed) for seed in range(6)]
    unseen = [_with_line(seed) for seed in range(100, 110)]
    alone, among = (_separation(unseen, learn_filter(maps, 5)) for maps in (marked, marked + good))
    assert among > alone - 0.02


def test_that_cells_on_the_defect_alone_give_a_kernel_that_leaves_the_map_alone() -> None:
    """Single bright cells: whatever is taken in from around them is noise."""
    random = np.random.default_rng(0)
    maps = []
    for _ in range(8):
        marked = random.random((30, 30)) < 0.01
        maps.append(MarkedMap((random.normal(0, 0.3, (30, 30)) + 4 * marked).astype(np.float32), marked))
    assert learn_filter(maps, 3)[1, 1] > 0.8


def test_that_the_kernel_lies_on_the_map_as_it_was_learnt_and_is_not_turned() -> None:
    """Scores that fall one cell below and right of the defect are brought back onto it."""
    random = np.random.default_rng(1)
    maps = []
    for _ in range(8):
        marked = random.random((30, 30)) < 0.01
        cells = random.normal(0, 0.3, (30, 30)) + 4 * np.roll(marked, (1, 1), (0, 1))
        maps.append(MarkedMap(cells.astype(np.float32), marked))
    kernel = learn_filter(maps, 3)
    assert kernel[2, 2] > 0.7
    assert _separation(maps, kernel) > _separation(maps, None) + 0.2
    spike = np.zeros((9, 9), np.float32)
    spike[4, 4] = 1
    moved = filtered(ScoreMap.over(spike, 9, 9), kernel).cells
    assert np.unravel_index(moved.argmax(), moved.shape) == (3, 3)


def test_that_a_map_smaller_than_the_kernel_is_filtered_too() -> None:
    kernel = learn_filter([_with_line(seed) for seed in range(3)], 7)
    for shape in ((1, 1), (1, 40), (3, 2)):
        tiny = ScoreMap.over(np.full(shape, 2.0, np.float32), 64, 64)
        np.testing.assert_allclose(filtered(tiny, kernel).cells, 2.0, rtol=1e-6)


def test_that_cells_which_are_not_looked_at_have_no_weight() -> None:
    kernel = learn_filter([_with_line(seed) for seed in range(4)], 5)
    inside = np.zeros((20, 30), bool)
    inside[4:, 9:] = True
    constant = replace(ScoreMap.over(np.full((20, 30), 7.5, np.float32), 20, 30), inside=inside)
    np.testing.assert_allclose(filtered(constant, kernel).cells, 7.5, rtol=1e-6)
    maps = [_with_line(seed) for seed in range(4)]
    upper = np.repeat([True, False], 40)[:, None] & np.ones(48, bool)
    beside = [MarkedMap(np.vstack([one.cells, one.cells]), np.vstack([one.marked, ~one.marked]), upper) for one in maps]
    np.testing.assert_allclose(learn_filter(beside, 3), learn_filter(maps, 3), atol=0.05)


def test_that_without_a_filter_the_map_is_the_very_same() -> None:
    score_map = ScoreMap.over(_with_line(0).cells, 40, 48)
    assert filtered(score_map, None) is score_map


def test_that_maps_without_marked_cells_are_told() -> None:
    blank = MarkedMap(_with_line(0).cells, np.zeros((40, 48), bool))
    with pytest.raises(TrainingError, match="no cell on a defect"):
        learn_filter([blank], 5)
    with pytest.raises(TrainingError, match="no other cell"):
        learn_filter([MarkedMap(blank.cells, ~blank.marked)], 5)
    with pytest.raises(TrainingError, match="no cell on a defect"):
        learn_filter([], 5)


def test_that_scores_which_say_nothing_of_the_defects_are_told() -> None:
    opposite = [MarkedMap(-_with_line(seed).cells, _with_line(seed).marked) for seed in range(4)]
    blurred = [MarkedMap(cv2.GaussianBlur(one.cells, (0, 0), 3), one.marked) for one in opposite]
    flat = [MarkedMap(np.ones((40, 48), np.float32), _with_line(0).marked)]
    for maps in (blurred, flat):
        with pytest.raises(TrainingError, match="nowhere higher"):
            learn_filter(maps, 3)


@pytest.mark.parametrize(
    "kernel",
    [
        np.full((3, 3), 1.0, np.float32),
        np.full((4, 4), 1 / 16, np.float32),
        np.full((3, 5), 1 / 15, np.float32),
        np.full((3, 3), 1 / 9),
        np.full((3, 3), np.nan, np.float32),
    ],
)
def test_that_a_kernel_no_training_gives_is_refused_from_a_model_file(kernel: NDArray[np.floating]) -> None:
    with pytest.raises(ModelFileError, match="map filter"):
        checked_filter(kernel)
