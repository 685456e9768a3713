"""How far parts lie from each other, in pixels of their pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.part_movement import Movement, MovementCheck
from ml.pictures import Pixels, list_pictures, read_picture


def part(x: float = 0, y: float = 0, turn_deg: float = 0, seed: int = 1) -> Pixels:
    """A plate with holes and letters, moved and turned about the middle of a picture of 240 x 180 px."""
    drawn = np.full((180, 240), 40, np.uint8)
    cv2.rectangle(drawn, (70, 50), (170, 130), 170, cv2.FILLED)
    for place in ((85, 65), (155, 70), (90, 115)):
        cv2.circle(drawn, place, 8, 70, cv2.FILLED)
    cv2.putText(drawn, "R7", (105, 105), cv2.FONT_HERSHEY_SIMPLEX, 1, 110, 3)
    matrix = cv2.getRotationMatrix2D((119.5, 89.5), turn_deg, 1.0)
    matrix[:, 2] += x, y
    moved = cv2.warpAffine(drawn, matrix, (240, 180), borderValue=40)
    noise = np.random.default_rng(seed).normal(0, 3, moved.shape)
    return np.clip(moved + noise, 0, 255).astype(np.uint8)


def check(*pictures: Pixels) -> Movement:
    found = MovementCheck()
    for picture in pictures:
        found.add(picture)
    return found.result()


def test_that_parts_in_one_place_are_told_to_lie_within_a_pixel() -> None:
    found = check(*(part(seed=seed) for seed in range(6)))
    assert found.placement == "aligned"
    assert found.shift_px is not None
    assert found.shift_px < 1


def test_that_movement_is_measured_in_pixels_and_turns_in_degrees() -> None:
    found = check(*(part(x, -x / 2, x / 2, seed=int(x) + 50) for x in (-20, -12, -5, 0, 5, 12, 20)))
    assert found.placement == "moved"
    assert found.shift_px == pytest.approx(22, abs=3)
    assert found.turn_deg == pytest.approx(10, abs=2)


def test_that_two_pictures_tell_nothing() -> None:
    assert check(part(), part(30)).placement == "unknown"
    assert check().placement == "unknown"


def test_that_surfaces_have_no_place() -> None:
    rng = np.random.default_rng(0)
    surfaces = [cv2.GaussianBlur(rng.integers(0, 255, (180, 240), np.uint8), (0, 0), 2) for _ in range(5)]
    assert check(*surfaces) == Movement("texture", 5)


def test_that_pictures_of_other_sizes_and_depths_are_borne() -> None:
    deep = part(4).astype(np.uint16) * 16
    found = check(part(), deep, part(2), cv2.resize(part(), (300, 200)), cv2.cvtColor(part(3), cv2.COLOR_GRAY2RGB))
    assert found.placement == "aligned"
    assert found.shift_px == pytest.approx(2, abs=1)


@pytest.mark.real_data
def test_that_toys_put_down_by_hand_lie_tens_of_pixels_apart(data_folder: Path) -> None:
    files = list_pictures(data_folder / "aliens" / "train" / "good")[:8]
    found = check(*(read_picture(file).pixels for file in files))
    assert found.placement == "moved"
    assert found.shift_px is not None
    assert 15 < found.shift_px < 60
