"""Captured pixels become the same network input in training and inspection, whatever their kind."""

import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ml.circle_search import Circle
from ml.errors import PartNotFoundError, PictureError
from ml.images import prepare
from ml.maps import find_regions
from ml.preprocessing import Clahe, Preprocessing, RingSearch
from tests.ml.rings import SEARCH, as_rgb, ring

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
ONE_COUNT = 1 / 255 / min(STD)


def whole(height: int = 64, width: int = 96, **changes: Any) -> Preprocessing:
    settings = {"window_low": 0, "window_high": 255, "mean": MEAN, "std": STD, **changes}
    return Preprocessing(geometry="whole", input_height=height, input_width=width, **settings)


def patches(side: int = 64, stride: int = 48, **changes: Any) -> Preprocessing:
    settings = {"window_low": 0, "window_high": 255, "mean": MEAN, "std": STD, **changes}
    return Preprocessing(geometry="patches", input_height=side, input_width=side, stride=stride, **settings)


BOTH = pytest.mark.parametrize("preprocessing", [whole(), patches()], ids=["whole", "patches"])


def picture(height: int = 128, width: int = 192, channels: int | None = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (height, width) if channels is None else (height, width, channels)
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def all_inputs(pixels: NDArray[Any], preprocessing: Preprocessing) -> torch.Tensor:
    prepared = prepare(pixels, preprocessing)
    return torch.from_numpy(prepared.inputs(0, prepared.count))


@BOTH
def test_that_inputs_are_float32_contiguous_and_channels_first(preprocessing: Preprocessing) -> None:
    inputs = all_inputs(picture(), preprocessing)
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous()
    assert inputs.shape[1:] == (3, preprocessing.input_height, preprocessing.input_width)


@BOTH
def test_rule_17_channels_are_in_the_order_red_green_blue(preprocessing: Preprocessing) -> None:
    red = np.zeros((128, 192, 3), np.uint8)
    red[..., 0] = 255
    means = all_inputs(red, preprocessing).mean(dim=(0, 2, 3)).numpy()
    np.testing.assert_allclose(means, (np.array([1, 0, 0]) - MEAN) / STD, rtol=1e-5)


@BOTH
def test_that_grey_equals_rgb_with_equal_channels(preprocessing: Preprocessing) -> None:
    grey = picture(channels=None)
    torch.testing.assert_close(
        all_inputs(grey, preprocessing), all_inputs(np.dstack([grey] * 3), preprocessing), rtol=0, atol=1e-6
    )


def test_that_16_bit_patches_equal_8_bit_ones_in_the_window_that_is_as_much_wider() -> None:
    pixels = picture()
    deep = all_inputs(pixels.astype(np.uint16) * 257, patches(window_high=65535))
    torch.testing.assert_close(deep, all_inputs(pixels, patches()), rtol=0, atol=1e-6)


def test_that_a_16_bit_whole_picture_equals_its_8_bit_one_but_for_the_rounding_of_the_resize() -> None:
    pixels = picture(131, 187)
    deep = all_inputs(pixels.astype(np.uint16) * 257, whole(window_high=65535))
    torch.testing.assert_close(deep, all_inputs(pixels, whole()), rtol=0, atol=0.51 * ONE_COUNT)


@pytest.mark.parametrize("bits", [10, 12])
def test_that_the_window_alone_decides_what_counts_mean(bits: int) -> None:
    pixels = picture().astype(np.uint16)
    deep = all_inputs(pixels << (bits - 8), patches(window_high=255 << (bits - 8)))
    torch.testing.assert_close(deep, all_inputs(pixels.astype(np.uint8), patches()), rtol=0, atol=1e-6)


@BOTH
def test_that_values_outside_the_window_are_clipped(preprocessing: Preprocessing) -> None:
    windowed = preprocessing.model_copy(update={"window_low": 100.0, "window_high": 150.0})
    for count, expected in ((0, 0.0), (100, 0.0), (125, 0.5), (150, 1.0), (255, 1.0)):
        inputs = all_inputs(np.full((128, 192), count, np.uint8), windowed).numpy()
        np.testing.assert_allclose(
            inputs, np.broadcast_to(((expected - np.array(MEAN)) / STD)[:, None, None], inputs.shape), atol=1e-5
        )


@pytest.mark.parametrize("window", [(0.0, 255.0), (20.5, 200.0), (-10.0, 300.0)])
def test_that_an_8_bit_picture_is_standardised_to_the_last_bit_as_the_same_counts_in_16_bits(
    window: tuple[float, float],
) -> None:
    settings = patches(window_low=window[0], window_high=window[1])
    for pixels in (picture(), picture(channels=None)):
        np.testing.assert_array_equal(all_inputs(pixels, settings), all_inputs(pixels.astype(np.uint16), settings))


def test_that_a_pictures_own_brightness_never_changes_its_scale() -> None:
    dark, bright = np.full((64, 96), 10, np.uint8), np.full((64, 96), 10, np.uint8)
    bright[0, 0] = 255
    assert all_inputs(dark, whole())[0, 0, 5, 5] == all_inputs(bright, whole())[0, 0, 5, 5]


def test_that_shrinking_averages_the_pixels() -> None:
    pixels = picture(128, 192)
    means = pixels.reshape(64, 2, 96, 2, 3).mean(axis=(1, 3)) / 255
    expected = ((means - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(all_inputs(pixels, whole())[0].numpy(), expected, atol=0.51 * ONE_COUNT)


@pytest.mark.parametrize("size", [(32, 32), (32, 500), (500, 32), (64, 96), (97, 203)])
def test_that_any_size_becomes_the_input_s_size_without_a_shift(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]]
    ramp = np.round(255 * (x + 0.5) / size[1]).astype(np.uint8) // 2 + np.round(127 * (y + 0.5) / size[0]).astype(int)
    values = all_inputs(ramp.astype(np.uint8), whole())[0, 0].numpy() * STD[0] + MEAN[0]
    rows, columns = np.mgrid[:64, :96]
    expected = (255 * (columns + 0.5) / 96 / 2 + 127 * (rows + 0.5) / 64) / 255
    assert np.abs(values - expected)[4:-4, 4:-4].max() < 0.012


def test_that_patches_are_the_pixels_themselves() -> None:
    pixels = picture(100, 150)
    prepared = prepare(pixels, patches())
    assert prepared.count == 2 * 3
    back = prepared.inputs(1, 2)[0].transpose(1, 2, 0) * STD + MEAN
    np.testing.assert_allclose(back * 255, pixels[:64, 48:112], atol=1e-3)


@BOTH
def test_that_a_portion_equals_the_same_part_of_all(preprocessing: Preprocessing) -> None:
    prepared = prepare(picture(300, 333), preprocessing)
    every = prepared.inputs(0, prepared.count)
    for start in range(prepared.count):
        np.testing.assert_array_equal(prepared.inputs(start, start + 1)[0], every[start])


@BOTH
def test_that_a_picture_is_left_as_it_was(preprocessing: Preprocessing) -> None:
    pixels = picture()
    before = pixels.copy()
    pixels.setflags(write=False)
    all_inputs(pixels, preprocessing)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 2), (1, 1)])
def test_that_inputs_that_do_not_exist_are_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError):
        prepare(picture(), whole()).inputs(start, stop)


@BOTH
def test_that_a_region_of_interest_is_all_that_is_looked_at(preprocessing: Preprocessing) -> None:
    pixels = picture(400, 500)
    region = preprocessing.model_copy(update={"region": (120, 80, 192, 128)})
    torch.testing.assert_close(
        all_inputs(pixels, region), all_inputs(pixels[80:208, 120:312], preprocessing), rtol=0, atol=0
    )


def test_that_a_region_outside_the_picture_is_an_error_that_names_both() -> None:
    with pytest.raises(PictureError, match=r"200 x 100 px at x 50.*192 x 128"):
        prepare(picture(), whole(region=(50, 0, 200, 100)))


@pytest.mark.parametrize("region", [None, (90, 60, 300, 250)])
@pytest.mark.parametrize("stands_off", [(0.0, 0.0), (3.5, -3.5)])
@pytest.mark.parametrize("preprocessing", [whole(256, 192), patches(64, 48)], ids=["whole", "patches"])
def test_that_what_a_network_sees_lies_in_the_map_where_it_lay_in_the_picture(
    preprocessing: Preprocessing, stands_off: tuple[float, float], region: tuple[int, int, int, int] | None
) -> None:
    """A bright square through a network that averages 8 x 8 px cells, itself shifted by `stands_off`."""
    pixels = np.zeros((400, 500), np.uint8)
    pixels[200:216, 240:260] = 255
    prepared = prepare(pixels, preprocessing.model_copy(update={"region": region}))
    inputs = prepared.inputs(0, prepared.count)[:, :1] * STD[0] + MEAN[0]
    shifted = ndimage.shift(inputs, (0, 0, -stands_off[0], -stands_off[1]), order=1, mode="nearest")
    cells = torch.nn.functional.avg_pool2d(torch.from_numpy(shifted), 8)[:, 0].numpy()
    joiner = prepared.joiner(stands_off)
    joiner.add(0, cells)
    score_map = joiner.score_map()
    values = score_map.at_picture_size()
    assert values.shape == (400, 500)
    y, x = ndimage.center_of_mass(values - values.min())
    assert y == pytest.approx(207.5, abs=1.5)
    assert x == pytest.approx(249.5, abs=1.5)
    assert len(find_regions(score_map, 0.5 * score_map.maximum)) == 1


def test_that_one_input_pixel_stands_for_so_many_picture_pixels() -> None:
    assert prepare(picture(128, 96), whole(64, 96)).px_per_input_px == pytest.approx(2**0.5)
    assert prepare(picture(128, 96), patches()).px_per_input_px == 1


@BOTH
def test_that_there_is_no_map_before_the_first_score(preprocessing: Preprocessing) -> None:
    with pytest.raises(ValueError, match="no scores"):
        prepare(picture(), preprocessing).joiner().score_map()


def test_that_the_map_grows_with_the_patches() -> None:
    prepared = prepare(picture(128, 192), patches())
    joiner = prepared.joiner()
    joiner.add(0, np.full((1, 8, 8), 3, np.float32))
    joiner.add(1, np.full((1, 8, 8), 1, np.float32))
    values = joiner.score_map().at_picture_size()
    assert values[10, 10] == pytest.approx(3)
    assert values[120, 180] == pytest.approx(1), "what is not scored yet shows the lowest score so far"


def test_that_100_megapixels_are_never_copied() -> None:
    pixels = np.zeros((10_000, 10_000), np.uint8)
    tracemalloc.start()
    prepared = prepare(pixels, patches(256, 192))
    for start in range(0, prepared.count, 500):
        prepared.inputs(start, start + 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


UNWRAPPED = SEARCH.model_copy(update={"unwrap": True})
RINGS = pytest.mark.parametrize("search", [SEARCH, UNWRAPPED], ids=["crop", "unwrap"])


def of_ring(search: RingSearch, geometry: str = "whole", **changes: Any) -> Preprocessing:
    if geometry == "patches":
        return patches(64, 48, ring=search, **changes)
    return whole(*((32, 384) if search.unwrap else (64, 64)), ring=search, **changes)


@RINGS
@pytest.mark.parametrize("geometry", ["whole", "patches"])
@pytest.mark.parametrize("region", [None, (20, 10, 210, 185)])
@pytest.mark.parametrize("degrees", [0, 100, 215])
def test_that_a_defect_on_the_ring_comes_back_where_it_is(
    search: RingSearch, geometry: str, region: tuple[int, int, int, int] | None, degrees: float
) -> None:
    """A network that sees brightness, on cells of 4 px; the defect at 0 degrees lies across the strip's seam."""
    x, y = 121.4, 103.7
    angle = np.radians(degrees)
    at_x, at_y = x + 60 * np.cos(angle), y + 60 * np.sin(angle)
    pixels = cv2.circle(ring(x, y), (round(at_x), round(at_y)), 6, 255, -1)
    prepared = prepare(as_rgb(pixels), of_ring(search, geometry, region=region))
    inputs = torch.from_numpy(prepared.inputs(0, prepared.count)[:, :1])
    joiner = prepared.joiner()
    joiner.add(0, torch.nn.functional.avg_pool2d(inputs, 4)[:, 0].numpy())
    score_map = joiner.score_map().smoothed(2.0)
    values = score_map.at_picture_size()
    assert values.shape == pixels.shape
    (defect,) = find_regions(score_map, (180 / 255 - MEAN[0]) / STD[0])  # the ring has 165 counts
    assert np.hypot(defect.centre_x - at_x, defect.centre_y - at_y) < 2.5


@RINGS
def test_that_nothing_outside_the_ring_ever_scores(search: RingSearch) -> None:
    prepared = prepare(ring(), of_ring(search))
    joiner = prepared.joiner()
    shape = 1, prepared.preprocessing.input_height, prepared.preprocessing.input_width
    joiner.add(0, np.random.default_rng(0).uniform(5, 6, shape).astype(np.float32))
    for score_map in (joiner.score_map(), joiner.score_map().smoothed(8.0)):
        values = score_map.at_picture_size()
        distance = np.hypot(*np.meshgrid(np.arange(200) - 100.0, np.arange(240) - 120.0, indexing="ij"))
        outside = (distance < 35) | (distance > 85)
        assert (values[outside] == values.min()).all()
        assert len(score_map.scored) < score_map.cells.size


def test_that_smoothing_does_not_fade_what_lies_at_the_ring_s_edge() -> None:
    prepared = prepare(ring(), of_ring(SEARCH))
    joiner = prepared.joiner()
    joiner.add(0, np.where(np.arange(64) < 3, 1, 0)[np.newaxis, :, np.newaxis].repeat(64, 2).astype(np.float32))
    faded = joiner.score_map().at_picture_size().max()
    assert faded == 1
    uniform = prepare(ring(), of_ring(SEARCH)).joiner()
    uniform.add(0, np.full((1, 64, 64), 3, np.float32))
    np.testing.assert_allclose(uniform.score_map().smoothed(9.0).cells, 3, rtol=1e-6)


def test_that_outside_the_ring_an_input_is_black() -> None:
    values = all_inputs(ring(), of_ring(SEARCH, window_low=20, window_high=200))[0].numpy()
    black = (-np.array(MEAN) / STD)[:, np.newaxis]
    for place in (np.s_[:, 0, :3], np.s_[:, 31:33, 32], np.s_[:, -3:, -1]):
        np.testing.assert_allclose(values[place], np.broadcast_to(black, values[place].shape), atol=1e-5)
    assert (values[0, 31:33, 8] > -0.5).all()


@RINGS
def test_that_a_part_that_lies_elsewhere_gives_the_same_input(search: RingSearch) -> None:
    here, there = (all_inputs(ring(x, y, noise=0), of_ring(search))[0] for x, y in ((120, 100), (112, 106)))
    torch.testing.assert_close(here, there, rtol=0, atol=0.35)
    assert (here - there).abs().mean() < 0.02


def test_that_a_strip_holds_the_angle_to_the_right_and_the_radius_down() -> None:
    pixels = ring(noise=0)
    pixels = cv2.circle(pixels, (120, 100 + 45), 4, 255, -1)  # straight down: a quarter of the turn, near the bore
    strip = all_inputs(pixels, of_ring(UNWRAPPED))[0, 0].numpy()
    row, column = np.unravel_index(int(strip.argmax()), strip.shape)
    assert column == pytest.approx(384 / 4, abs=4)
    assert row == pytest.approx(32 * 5 / 40, abs=3)


def test_that_a_part_that_is_not_there_or_cut_off_is_told() -> None:
    with pytest.raises(PartNotFoundError, match="not found"):
        prepare(np.full((200, 240), 90, np.uint8), of_ring(SEARCH))
    with pytest.raises(PartNotFoundError, match=r"reaches out of the picture of 240 x 200 px.*x 70, y 100"):
        prepare(ring(70.0), of_ring(SEARCH))
    with pytest.raises(PartNotFoundError, match="reaches out"):
        prepare(ring(), of_ring(SEARCH, region=(0, 0, 150, 200)))


def test_that_a_circle_found_before_is_not_searched_again() -> None:
    blank = np.zeros((200, 240), np.uint8)
    prepared = prepare(blank, of_ring(SEARCH, clahe=Clahe()), Circle(120, 100, 40))
    assert (prepared.top, prepared.left, prepared.height, prepared.width) == (20, 40, 160, 160)
    found = prepare(ring(), of_ring(SEARCH)).circle
    assert found is not None and found.radius == pytest.approx(40, abs=0.5)


@RINGS
def test_that_a_mask_goes_the_way_of_the_picture(search: RingSearch) -> None:
    mask = np.zeros((200, 240), np.bool_)
    mask[98:103, 176:184] = True
    bright = ring(noise=0)
    bright[mask] = 255
    prepared = prepare(bright, of_ring(search))
    seen, marked = prepared.inputs(0, 1)[0, 0], prepared.masks(mask, 0, 1)[0]
    assert marked[np.unravel_index(int(seen.argmax()), seen.shape)]
    assert 0 < marked.mean() < 0.05


def test_that_light_is_evened_out_before_the_window() -> None:
    dim = (ring(noise=2) // 3 + 20).astype(np.uint8)
    plain, even = (all_inputs(dim, whole(clahe=clahe)) for clahe in (None, Clahe()))
    assert even.std() > 1.2 * plain.std()
