"""What the choices make of one picture: parts cut out, circles, overlays, proposed outlines."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.errors import PartNotFoundError, PictureError
from ml.inspection_area import Ellipse, InspectionArea, Rectangle
from ml.part_movement import Movement
from ml.pictures import Pixels, encode_png
from ml.preprocessing import Clahe, RingSearch
from station.projects.project import Looks, ProjectPicture
from station.projects.proposals import Proposal, aligning_search, propose, search_for
from station.projects.sight import DARKENED, HATCH, measured_radius, overlay_of, see

BOX = Rectangle(x=120, y=80, width=80, height=64)


def plate(x: float = 0, y: float = 0, turn_deg: float = 0) -> Pixels:
    drawn = np.full((240, 320), 30, np.uint8)
    cv2.rectangle(drawn, (130, 90), (190, 134), 180, cv2.FILLED)
    cv2.circle(drawn, (145, 105), 7, 60, cv2.FILLED)
    matrix = cv2.getRotationMatrix2D((160.0, 112.0), turn_deg, 1.0)
    matrix[:, 2] += x, y
    return np.asarray(cv2.warpAffine(drawn, matrix, (320, 240), borderValue=30), np.uint8)


def disc(x: int) -> Pixels:
    drawn = np.full((240, 320), 40, np.uint8)
    cv2.circle(drawn, (x, 120), 45, 190, cv2.FILLED, cv2.LINE_AA)
    return drawn


def stored(folder: Path, pixels: Pixels, name: str = "a.png") -> ProjectPicture:
    data = encode_png(pixels)
    (folder / name).write_bytes(data)
    return ProjectPicture(
        name=name,
        file=folder / name,
        sha256=hashlib.sha256(data).hexdigest(),
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        added_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_that_a_found_part_is_outlined_where_it_lies_and_cut_out_upright(tmp_path: Path) -> None:
    search = search_for(plate(), BOX, None)
    sight = see(stored(tmp_path, plate(30, -20, -10)), Looks(parts=search))
    (part,) = sight.parts
    middle = np.mean(part.outline, axis=0)
    assert middle == pytest.approx((190, 92), abs=1.5)
    assert not sight.problem
    upright = plate()[80:144, 120:200].astype(float)
    assert part.pixels.shape == (64, 80)
    assert np.corrcoef(part.pixels.ravel(), upright.ravel())[0, 1] > 0.97


def test_that_missing_parts_are_told_in_words(tmp_path: Path) -> None:
    search = search_for(plate(), BOX, None)
    empty = stored(tmp_path, np.random.default_rng(0).integers(0, 50, (240, 320), np.uint8))
    assert see(empty, Looks(parts=search)).problem == "No part is found on this picture."
    two = search.model_copy(update={"count": 2})
    assert (
        see(stored(tmp_path, plate(), "b.png"), Looks(parts=two)).problem == "1 of 2 parts are found on this picture."
    )


def test_that_another_box_keeps_the_settings() -> None:
    before = search_for(plate(), BOX, None).model_copy(update={"count": 3, "least_likeness": 0.8, "angles_deg": 90.0})
    after = search_for(plate(), Rectangle(x=100, y=70, width=100, height=90), before)
    assert (after.count, after.least_likeness, after.angles_deg) == (3, 0.8, 90.0)
    assert (after.width_px, after.height_px) == (100, 90)


def test_that_a_box_too_small_for_a_part_is_refused() -> None:
    with pytest.raises(PictureError, match="at least 32 px"):
        search_for(plate(), Rectangle(x=10, y=10, width=12, height=40), None)


def test_that_parts_are_aligned_by_the_outline_that_stands_out() -> None:
    search = aligning_search(plate(), Movement("moved", 8, shift_px=20.0, turn_deg=8.0))
    assert search.count == 1
    assert search.angles_deg == 12
    assert (search.width_px, search.height_px) == pytest.approx((65, 49), abs=4)
    anyhow = aligning_search(plate(), Movement("moved", 8, shift_px=20.0, turn_deg=90.0))
    assert anyhow.angles_deg == 180


def test_that_nothing_is_aligned_where_nothing_stands_out() -> None:
    noise = np.random.default_rng(0).normal(120, 10, (240, 320)).astype(np.uint8)
    with pytest.raises(PartNotFoundError):
        aligning_search(noise, Movement("moved", 8))


def test_that_a_circle_is_measured_and_found(tmp_path: Path) -> None:
    pictures = [stored(tmp_path, disc(x), f"{x}.png") for x in (140, 160, 170)]
    ring = RingSearch(inner=0.2, outer=1.2)
    low, high = measured_radius(pictures, Looks(), ring)
    assert low < 45 < high
    found = see(pictures[0], Looks(ring=ring.model_copy(update={"radius_px": (low, high)}))).circle
    assert found is not None
    assert (found.x, found.y, found.radius) == pytest.approx((140, 120, 45), abs=1)


def test_that_a_ring_out_of_the_picture_is_told(tmp_path: Path) -> None:
    ring = RingSearch(inner=0.2, outer=3, radius_px=(40, 50))
    sight = see(stored(tmp_path, disc(160)), Looks(ring=ring))
    assert sight.circle is None
    assert "reaches out of the picture" in sight.problem


def test_that_a_project_without_a_common_circle_is_told(tmp_path: Path) -> None:
    pictures = [stored(tmp_path, np.full((240, 320), 40, np.uint8))]
    with pytest.raises(PartNotFoundError, match="Type its radius"):
        measured_radius(pictures, Looks(), RingSearch())


def test_that_deep_pictures_are_shown_over_the_bits_they_use(tmp_path: Path) -> None:
    deep = plate().astype(np.uint16) * 16
    sight = see(stored(tmp_path, deep), Looks())
    assert sight.window == (0, 4095)
    assert sight.whole.rgb.max() == pytest.approx(180, abs=2)


def test_that_contrast_is_evened_out_for_the_screen_and_not_for_the_search(tmp_path: Path) -> None:
    picture = stored(tmp_path, plate())
    plain, evened = see(picture, Looks()), see(picture, Looks(clahe=Clahe()))
    assert (evened.pixels == plain.pixels).all()
    assert (evened.whole.rgb != plain.whole.rgb).any()


def test_that_what_is_ignored_is_hatched_and_what_is_left_out_only_darkened() -> None:
    area = InspectionArea(
        width_px=200,
        height_px=100,
        look=(Rectangle(x=50, y=0, width=150, height=100),),
        ignore=(Ellipse(centre_x=120, centre_y=50, radius_x=30, radius_y=30),),
    )
    overlay = overlay_of(area)
    assert overlay.shape == (100, 200, 4)
    assert {tuple(each) for each in overlay[:, :50].reshape(-1, 4).tolist()} == {DARKENED}
    assert {tuple(each) for each in overlay[45:55, 110:130].reshape(-1, 4).tolist()} == {DARKENED, HATCH}
    assert not overlay[:10, 60:].any()


def test_that_an_overlay_is_no_larger_than_the_screen_needs() -> None:
    area = InspectionArea(width_px=400, height_px=100, look=(Rectangle(x=0, y=0, width=200, height=100),))
    overlay = overlay_of(area, 100)
    assert overlay.shape == (25, 100, 4)
    assert not overlay[:, :50].any()


@pytest.mark.parametrize("kind", ["threshold", "grabcut", "circle"])
def test_that_outlines_are_proposed(kind: Proposal) -> None:
    shown = disc(160)
    shape = propose(kind, shown, Rectangle(x=100, y=60, width=120, height=120) if kind == "grabcut" else None)
    area = InspectionArea(width_px=320, height_px=240, look=(shape,))
    assert area.mask().sum() == pytest.approx(np.pi * 45**2, rel=0.08)
