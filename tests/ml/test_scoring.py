from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.errors import DetectorError
from ml.images import PreparedPicture, prepare
from ml.maps import Detection, ScoreMap
from ml.preprocessing import Preprocessing
from ml.runtime.scores import CellScores, ScoreRule
from ml.scoring import MOST_PARTIALS, assemble


@dataclass(frozen=True)
class _Given:
    """A reading of scores that the test makes up."""

    score_rule: ScoreRule = "max_raw"
    sigma_px: float = 0.0
    offset_px: tuple[float, float] = (0.0, 0.0)


def _prepared(stride: int | None = None, height: int = 128, width: int = 192) -> PreparedPicture:
    preprocessing = Preprocessing(
        geometry="whole" if stride is None else "patches",
        input_height=64,
        input_width=64,
        stride=stride,
        window_low=0,
        window_high=255,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    return prepare(np.zeros((height, width), np.uint8), preprocessing)


def _cells(prepared: PreparedPicture) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((prepared.count, 8, 8), np.float32) + 1


def _one_by_one(
    cells: NDArray[np.float32], scores: NDArray[np.float32] | None = None
) -> Iterator[tuple[int, CellScores]]:
    for index in range(len(cells)):
        yield index, CellScores(cells[index : index + 1], None if scores is None else scores[index : index + 1])


def test_that_each_score_rule_takes_what_it_says() -> None:
    prepared = _prepared()
    cells = np.ones((1, 20, 20), np.float32)
    cells[0, 3, 4], cells[0, 3, 5] = 9, 7

    def score(rule: ScoreRule) -> float:
        return assemble(_Given(rule, sigma_px=8), prepared, [(0, CellScores(cells))]).score

    assert score("max_raw") == 9
    assert score("top1_raw") == pytest.approx((9 + 7 + 1 + 1) / 4)
    detection = assemble(_Given("max_smoothed", sigma_px=8), prepared, [(0, CellScores(cells))])
    assert 1 < detection.score < 9
    assert detection.score == detection.score_map.maximum


def test_that_a_methods_own_score_beats_the_maps_and_the_worst_patch_counts() -> None:
    prepared = _prepared(stride=32)
    scores = np.arange(prepared.count, dtype=np.float32)
    assert assemble(_Given(), prepared, _one_by_one(_cells(prepared), scores)).score == prepared.count - 1


def test_rule_01_batches_in_any_portions_and_order_give_one_result() -> None:
    prepared = _prepared(stride=32)
    cells = _cells(prepared)
    at_once = assemble(_Given(), prepared, [(0, CellScores(cells))])
    backwards = assemble(_Given(), prepared, reversed(list(_one_by_one(cells))))
    np.testing.assert_allclose(backwards.score_map.cells, at_once.score_map.cells, rtol=1e-6)
    assert backwards.score == pytest.approx(at_once.score)


def _partials(prepared: PreparedPicture) -> tuple[list[ScoreMap], Detection]:
    maps: list[ScoreMap] = []
    detection = assemble(_Given(sigma_px=4), prepared, _one_by_one(_cells(prepared)), maps.append)
    return maps, detection


def test_that_the_map_is_offered_after_each_batch_and_the_last_one_is_the_result() -> None:
    prepared = _prepared(stride=32)
    maps, detection = _partials(prepared)
    assert len(maps) == prepared.count
    np.testing.assert_array_equal(maps[-1].cells, detection.score_map.cells)


def test_that_a_picture_in_one_piece_offers_no_partial_map() -> None:
    assert _partials(_prepared())[0] == []


def test_that_a_large_picture_is_not_slowed_by_thousands_of_partial_maps() -> None:
    prepared = _prepared(stride=8, height=256, width=256)
    assert prepared.count == 625
    maps, detection = _partials(prepared)
    assert MOST_PARTIALS * 0.9 <= len(maps) <= MOST_PARTIALS + 1
    np.testing.assert_array_equal(maps[-1].cells, detection.score_map.cells)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_that_scores_that_are_no_numbers_never_become_a_map(bad: float) -> None:
    cells = np.ones((1, 8, 8), np.float32)
    cells[0, 0, 0] = bad
    with pytest.raises(DetectorError, match="no numbers"):
        assemble(_Given(), _prepared(), [(0, CellScores(cells))])
    with pytest.raises(DetectorError, match="no numbers"):
        assemble(_Given(), _prepared(), [(0, CellScores(np.ones((1, 8, 8), np.float32), np.array([bad], np.float32)))])
