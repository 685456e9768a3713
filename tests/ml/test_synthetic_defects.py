from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.errors import ParameterError
from ml.generation.synthetic_defects import KINDS, Kind, SyntheticDefects
from tests.ml.small_models import part

SEEDS = range(6)


def _picture(look: str) -> NDArray[Any]:
    rgb = part(0)
    grey = rgb[..., 1]
    pictures: dict[str, NDArray[Any]] = {
        "rgb": rgb,
        "grey": grey,
        "12 bit": grey.astype(np.uint16) * 16,
        "float": rgb.astype(np.float32) / 255,
    }
    return pictures[look]


@pytest.mark.parametrize("look", ["rgb", "grey", "12 bit", "float"])
@pytest.mark.parametrize("kind", KINDS)
def test_that_every_kind_paints_on_every_kind_of_picture_and_only_inside_its_mask(kind: Kind, look: str) -> None:
    picture = _picture(look)
    before = picture.copy()
    picture.setflags(write=False)
    for seed in SEEDS:
        made = SyntheticDefects([kind]).sample(picture, seed)
        assert made.kind == kind
        assert (made.pixels.shape, made.pixels.dtype) == (picture.shape, picture.dtype)
        assert made.mask.shape == picture.shape[:2]
        assert made.mask.dtype == bool
        assert 0 < made.mask.mean() < 0.3
        np.testing.assert_array_equal(made.pixels[~made.mask], before[~made.mask])
        assert (made.pixels[made.mask] != before[made.mask]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_same_seed_gives_the_same_defect_and_another_seed_another(kind: Kind) -> None:
    defects = SyntheticDefects([kind])
    first, again, other = (defects.sample(part(0), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.mask != other.mask).any()


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_weaker_defect_lies_in_the_same_place_and_stands_out_less(kind: Kind) -> None:
    picture = part(0, noise=0)
    strong = SyntheticDefects([kind]).sample(picture, 1)
    weak = SyntheticDefects([kind], strength=0.4).sample(picture, 1)
    np.testing.assert_array_equal(strong.mask, weak.mask)

    def change(pixels: NDArray[Any]) -> float:
        return float(np.abs(pixels.astype(float) - picture)[strong.mask].mean())

    assert 0 < change(weak.pixels) < 0.6 * change(strong.pixels)


@pytest.mark.parametrize("size", [(1, 5000), (32, 40), (1500, 1200)])
def test_that_pictures_of_any_size_get_a_defect(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(90, 160, size, np.uint8)
    for kind in KINDS:
        made = SyntheticDefects([kind]).sample(picture, 0)
        assert made.pixels.shape == size
        assert made.mask.any()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_that_a_picture_of_one_colour_gets_a_defect_that_can_be_seen(level: int) -> None:
    picture = np.full((64, 64, 3), level, np.uint8)
    for seed in SEEDS:
        made = SyntheticDefects().sample(picture, seed)
        assert np.abs(made.pixels.astype(int) - picture)[made.mask].max() >= 2


def test_that_counts_stay_within_the_cameras_depth() -> None:
    picture = np.random.default_rng(0).integers(0, 4096, (64, 64), np.uint16)
    brightest = max(SyntheticDefects().sample(picture, seed).pixels.max() for seed in range(20))
    assert brightest <= 4095


def test_that_all_kinds_come_up() -> None:
    defects = SyntheticDefects()
    assert {defects.sample(part(0), seed).kind for seed in range(60)} == set(KINDS)


def test_that_a_pasted_piece_is_the_pictures_own() -> None:
    columns = np.broadcast_to(np.linspace(0, 250, 128, dtype=np.uint8), (96, 128))
    made = SyntheticDefects(["cutpaste_patch"]).sample(columns, 2)
    row, column = np.argwhere(made.mask)[0]
    bottom, right = np.argwhere(made.mask)[-1]
    piece = made.pixels[row : bottom + 1, column : right + 1].astype(float)
    assert made.mask[row : bottom + 1, column : right + 1].all()  # an upright rectangle
    assert np.ptp(piece, axis=0).max() <= 1  # cut from a picture without vertical change
    assert np.corrcoef(piece[0], np.arange(piece.shape[1]))[0, 1] > 0.99


def test_that_a_scratch_is_long_and_thin() -> None:
    for seed in SEEDS:
        mask = SyntheticDefects(["scratch"]).sample(part(0, 256, 256), seed).mask
        length = np.ptp(np.argwhere(mask), axis=0).max()
        thickness = 2 * cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5).max()
        assert length > 2 * thickness


def test_that_a_dent_is_lit_from_one_side() -> None:
    picture = np.full((128, 128), 120, np.uint8)
    made = SyntheticDefects(["dent"]).sample(picture, 0)
    inside = made.pixels[made.mask].astype(int) - 120
    assert inside.max() > 3
    assert inside.min() < -3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kinds": ["crack"]}, "crack"),
        ({"kinds": []}, "none is given"),
        ({"strength": 0.0}, "strength"),
        ({"strength": 1.5}, "strength"),
    ],
)
def test_that_impossible_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        SyntheticDefects(**settings)


def test_that_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ParameterError, match="float64"):
        SyntheticDefects().sample(np.zeros((40, 40)), 0)
