"""Parts are found where they lie and as they are turned, cut out upright, and their maps put back in place."""

from base64 import b64encode
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from ml.errors import PartNotFoundError, PictureError
from ml.maps import ScoreMap, find_regions
from ml.part_finder import all_parts, find_parts, upright_parts
from ml.part_pictures import Pose, cut_out, cut_out_mask, frame_of, put_back, template_of
from ml.part_search import PartSearch
from ml.pictures import Pixels, encode_png
from tests.ml.scenes import (
    HEIGHT,
    PART_HEIGHT,
    PART_WIDTH,
    THREE,
    WIDTH,
    Place,
    as_place,
    drawn_part,
    scene,
    search,
    to_picture,
)

BIG_PART = drawn_part(300, 220)
SEARCH = search(angles_deg=15)
ANY_WAY = search(angles_deg=180)


def assert_found(found: tuple[Pose, ...], places: list[Place], px: float = 0.5, deg: float = 0.5) -> None:
    assert len(found) == len(places)
    for x, y, angle in places:
        nearest = min(found, key=lambda pose: np.hypot(pose.x - x, pose.y - y))
        assert np.hypot(nearest.x - x, nearest.y - y) < px
        assert abs((nearest.angle_deg - angle + 180) % 360 - 180) < deg


@settings(max_examples=12, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-15, 15), st.integers(0, 99))
def test_that_parts_are_found_to_half_a_pixel_and_half_a_degree(x: float, y: float, angle: float, seed: int) -> None:
    places = [(70 + x, 60 + y, angle), (190.3 - y, 75.8 + x, -angle), (120.0, 160.0 + y, angle / 2)]
    found = find_parts(scene(places, seed=seed), SEARCH)
    assert_found(found, places)
    assert min(pose.likeness for pose in found) > 0.9


def test_that_parts_are_found_any_way_round() -> None:
    places = [(70, 60, 178.0), (200, 70, -100.0), (120, 160, 63.0)]
    assert_found(find_parts(scene(places), ANY_WAY), places)


def test_that_upright_parts_are_found_upright() -> None:
    places = [(70.4, 60.2, 0.0), (190, 75.7, 0.0)]
    found = find_parts(scene(places), search())
    assert_found(found, places)
    assert {pose.angle_deg for pose in found} == {0.0}


@pytest.mark.parametrize(
    ("dtype", "gain", "offset"), [(np.uint16, 200.0, 800.0), (np.uint16, 12.0, 0.0), (np.uint8, 0.3, 20.0)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_that_bit_depth_colour_and_light_do_not_matter(dtype: Any, gain: float, offset: float, channels: int) -> None:
    pixels = (scene(THREE) * gain + offset).astype(dtype)
    found = find_parts(pixels if channels == 1 else np.dstack([pixels] * 3), SEARCH)
    assert_found(found, list(THREE))


def test_that_parts_are_numbered_in_rows_from_left_to_right() -> None:
    found = find_parts(scene(THREE), SEARCH)
    assert [round(pose.x / 10) for pose in found] == [7, 19, 12]


def test_that_no_more_parts_than_lie_on_each_picture_are_taken_and_fewer_are_told() -> None:
    pixels = scene(THREE)
    assert len(find_parts(pixels, SEARCH.model_copy(update={"count": 2}))) == 2
    with pytest.raises(
        PartNotFoundError, match=r"^3 of 4 parts are found on the picture of 280 x 220 px: nothing else.*\(0\.60\)"
    ):
        all_parts(pixels, SEARCH.model_copy(update={"count": 4}))
    with pytest.raises(PartNotFoundError, match=r"^No part is found .* nothing on it"):
        all_parts(scene([]), SEARCH)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((200, 200), np.uint8),
        np.full((200, 200, 3), 4000, np.uint16),
        np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8),
        np.zeros((40, 40), np.uint8),
        np.zeros((1, 4000), np.uint8),
    ],
    ids=["black", "plain", "noise", "smaller than a part", "a row"],
)
def test_that_on_a_picture_without_parts_none_is_found(pixels: Pixels) -> None:
    assert find_parts(pixels, SEARCH) == ()


def test_that_a_line_camera_s_long_picture_is_searched_or_refused_in_words() -> None:
    strip = np.full((35_000, 320), 90, np.uint8)
    strip[34_000:34_220, 10:310] = BIG_PART
    assert_found(find_parts(strip, search(BIG_PART)), [(10 + 149.5, 34_000 + 109.5, 0)])
    assert np.abs(upright_parts(strip, search(BIG_PART))[0] - BIG_PART).mean() < 3
    with pytest.raises(PictureError, match="too long to be searched"):
        find_parts(np.zeros((45_000, 120), np.uint8), SEARCH)


def test_that_a_part_that_is_cut_off_by_the_picture_s_edge_is_none() -> None:
    assert_found(find_parts(scene([(30, 60, 0), (190, 75, 6)]), SEARCH), [(190, 75, 6)])


def test_that_parts_are_found_on_a_large_picture() -> None:
    places = [(300.3, 250.7, 5.2), (900.5, 300.2, -12.4), (1500, 900, 14.5), (500, 1100, 0.3)]
    pixels = scene(places, part=BIG_PART, size=(1536, 2048))
    large = search(BIG_PART, angles_deg=15)
    assert_found(find_parts(pixels, large), places)


def test_that_a_part_is_cut_out_upright_in_its_own_kind() -> None:
    pixels = scene(THREE, noise=0)
    wanted = drawn_part()
    for kind in (pixels, pixels.astype(np.uint16) * 10, np.dstack([pixels] * 3)):
        for seen in upright_parts(kind, SEARCH):
            assert seen.dtype == kind.dtype
            assert seen.shape[:2] == (PART_HEIGHT, PART_WIDTH)
            grey = seen[..., 0] if seen.ndim == 3 else seen
            difference = grey / (10 if kind.dtype == np.uint16 else 1) - wanted
            assert np.abs(difference[4:-4, 4:-4]).mean() < 3  # interpolated twice
    (whole,) = upright_parts(pixels, None)
    assert whole is pixels


def test_that_the_frame_of_a_pose_is_that_of_the_drawing() -> None:
    for place in THREE:
        np.testing.assert_allclose(frame_of(Pose(*place, 1.0), SEARCH), to_picture(place), atol=1e-9)


def test_that_a_mask_is_cut_out_like_its_picture() -> None:
    pose = Pose(120.2, 100.7, 11.0, 1.0)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[100, 118:124] = True
    seen = cut_out_mask(mask, pose, SEARCH)
    assert seen.dtype == bool and seen.shape == (PART_HEIGHT, PART_WIDTH)
    bright = cut_out(np.where(mask, np.uint8(255), np.uint8(0)), pose, SEARCH)
    assert seen[np.unravel_index(int(bright.argmax()), bright.shape)]
    assert 6 <= seen.sum() <= 30


def part_map(cells: NDArray[np.float32], **more: Any) -> ScoreMap:
    return ScoreMap(
        cells,
        PART_HEIGHT,
        PART_WIDTH,
        height=PART_HEIGHT,
        width=PART_WIDTH,
        covered_height=PART_HEIGHT,
        covered_width=PART_WIDTH,
        **more,
    )


@pytest.mark.parametrize("shape", [(8, 12), (16, 24), (13, 7)])
@pytest.mark.parametrize("place", [*THREE, (140, 100, 100), (140, 100, -178)])
def test_that_a_defect_on_a_part_comes_back_where_it_lies(shape: tuple[int, int], place: Place) -> None:
    cells = np.random.default_rng(0).uniform(0, 0.2, shape).astype(np.float32)
    cells[shape[0] // 2, shape[1] // 4] = 3.0
    pose = Pose(*place, 1.0)
    joined = put_back([part_map(cells)], [pose], SEARCH, HEIGHT, WIDTH)
    assert joined.at_picture_size().shape == (HEIGHT, WIDTH)
    assert joined.maximum == 3.0
    row, column = (
        (shape[0] // 2 + 0.5) * PART_HEIGHT / shape[0] - 0.5,
        (shape[1] // 4 + 0.5) * PART_WIDTH / shape[1] - 0.5,
    )
    x, y = frame_of(pose, SEARCH) @ np.array([column, row, 1.0])
    (region, *others) = find_regions(joined, 1.5)
    assert not others
    pitch = max(PART_HEIGHT / shape[0], PART_WIDTH / shape[1])
    assert np.hypot(region.centre_x - x, region.centre_y - y) < pitch / 2 + 1


def test_that_where_no_part_lies_the_lowest_value_stands() -> None:
    cells = np.random.default_rng(0).uniform(1, 2, (16, 24)).astype(np.float32)
    inside = np.ones((16, 24), bool)
    inside[:, :4] = False
    joined = put_back(
        [part_map(cells, inside=inside)] * 2, [Pose(*place, 1.0) for place in THREE[:2]], SEARCH, HEIGHT, WIDTH
    )
    values = joined.at_picture_size()
    lowest = values.min()
    assert values[180, 250] == lowest
    upright = cut_out((values > lowest).astype(np.uint8) * 255, Pose(*THREE[0], 1.0), SEARCH)
    assert not upright[8:-8, :8].any()
    assert (upright[8:-8, 24:-8] > 0).all()


def test_that_of_parts_that_overlap_the_higher_value_stands() -> None:
    low, high = (part_map(np.full((8, 12), value, np.float32)) for value in (1.0, 2.0))
    poses = [Pose(100, 100, 0, 1), Pose(130, 110, 20, 1)]
    for maps in ([low, high], [high, low]):
        joined = put_back(maps, poses, SEARCH, HEIGHT, WIDTH).at_picture_size()
        assert joined[105, 115] == 2.0


def test_that_a_large_template_is_stored_small_and_still_says_how_large_its_part_is() -> None:
    large = search(BIG_PART)
    assert (large.width_px, large.height_px) == (300, 220)
    assert large.template.shape == (141, 192)
    assert len(large.template_png) < 60_000
    assert PartSearch.model_validate_json(large.model_dump_json()) == large


@pytest.mark.parametrize(
    ("box", "words"),
    [((250, 10, 60, 60), "reaches out"), ((10, 10, 31, 60), "at least 32"), ((200, 180, 40, 40), "one grey")],
)
def test_that_a_box_that_shows_no_part_is_refused_in_words(box: tuple[int, int, int, int], words: str) -> None:
    pixels = np.full((HEIGHT, WIDTH), 9, np.uint8)
    cv2.circle(pixels, (60, 60), 20, 99, -1)
    with pytest.raises(PictureError, match=words):
        template_of(pixels, box)


def _png(pixels: Pixels) -> str:
    return b64encode(encode_png(pixels)).decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"template_png": "no base64!"}, "base64"),
        ({"template_png": "aGVsbG8="}, "template"),
        ({"template_png": _png(np.zeros((64, 96), np.uint8))}, "one grey"),
        ({"template_png": _png(np.zeros((64, 96, 3), np.uint8))}, "grey picture"),
        ({"width_px": 64}, "does not show what is cut out"),
        ({"height_px": 96}, "does not show what is cut out"),
        ({"angles_deg": 181}, "180"),
        ({"count": 0}, "1"),
    ],
)
def test_that_a_search_that_cannot_be_meant_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PartSearch.model_validate({**SEARCH.model_dump(), **fields})


def test_that_a_found_pose_tells_its_place() -> None:
    (pose,) = find_parts(scene([(140, 110, 0)]), search())
    assert as_place(pose) == pytest.approx((140, 110, 0), abs=0.3)
