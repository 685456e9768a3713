"""The appearance generator: new looks within what the good pictures show, and nothing moved."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.generation.appearance import TOLERANCE, Appearance, LookSpace
from ml.generation.catalogue.appearance import AppearanceParameters
from ml.generation.looks import (
    SEEN,
    LabPicture,
    Look,
    LookChange,
    blur_of,
    noise_of,
    to_lab,
)
from ml.generation.structure import gradient_correlation
from ml.pictures import Pixels

Values = NDArray[np.float32]


def scene(height: int = 96, width: int = 128) -> Values:
    """A part with edges, a gradient and a grain, (height, width, 3) RGB in [0, 1]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ground = np.dstack([0.45 + 0.1 * x / width, 0.4 + 0 * x, 0.35 + 0.1 * y / height]).astype(np.float32)
    cv2.circle(ground, (width // 2, height // 2), height // 3, (0.7, 0.6, 0.3), -1, cv2.LINE_AA)
    cv2.rectangle(ground, (10, 10), (40, 30), (0.2, 0.25, 0.3), -1)
    return np.asarray(ground, np.float32)


def photographs(count: int = 12, seed: int = 0) -> list[NDArray[np.uint8]]:
    """The same part under light, colours, sharpness and noise as a camera leaves them."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        values = cv2.GaussianBlur(scene(), (0, 0), random.uniform(0.5, 1.2))
        tilt = 1 + random.uniform(-0.08, 0.08) * np.linspace(-1, 1, values.shape[1], dtype=np.float32)
        values = values * tilt[None, :, None] * random.uniform(0.9, 1.1) * random.uniform(0.97, 1.03, 3)
        values = values + random.normal(0, random.uniform(0.004, 0.012), values.shape)
        made.append((np.clip(values, 0, 1) * 255).round().astype(np.uint8))
    return made


def fitted(pictures: list[Pixels], **settings: object) -> Appearance:
    made_by = Appearance(AppearanceParameters.model_validate(settings))
    made_by.fit(pictures, 0)
    return made_by


@pytest.fixture(scope="module")
def good() -> list[NDArray[np.uint8]]:
    return photographs()


def looks_of(pictures: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.float64]]:
    return (Look.of(to_lab(pixels, 255)).everything for pixels in pictures)


@pytest.mark.parametrize("strength", [1.0, 1.5])
def test_that_no_figure_of_a_sample_leaves_what_good_pictures_show_by_more_than_the_strength(
    good: list[NDArray[np.uint8]], strength: float
) -> None:
    observed = np.stack(list(looks_of(good)))
    mean = observed.mean(axis=0)
    low = mean + strength * (observed.min(axis=0) - mean)
    high = mean + strength * (observed.max(axis=0) - mean)
    slack = np.maximum(TOLERANCE * (high - low), SEEN)

    samples = [made.pixels for made in fitted([*good], strength=strength).sample(30, 1)]

    for figures in looks_of(samples):
        assert np.all(figures >= low - slack)
        assert np.all(figures <= high + slack)


def test_that_samples_differ_from_their_sources_as_good_pictures_do_from_one_another(
    good: list[NDArray[np.uint8]],
) -> None:
    between = np.stack(list(looks_of(good))).std(axis=0)[0]
    shifts = [made.changes.get("lightness", 0.0) for made in fitted([*good]).sample(40, 2)]

    assert 0.3 * between < np.std(shifts) < 1.5 * between
    assert np.count_nonzero(shifts) > 35


def test_that_the_structure_is_kept(good: list[NDArray[np.uint8]]) -> None:
    for made in fitted([*good], strength=1.5).sample(20, 3):
        assert made.source is not None
        assert gradient_correlation(good[made.source], made.pixels) >= 0.9


def test_that_what_was_not_asked_for_does_not_change(good: list[NDArray[np.uint8]]) -> None:
    nothing = {"colour": False, "illumination": False, "sharpness": False}
    for made in fitted([*good], **nothing).sample(3, 0):
        assert made.source is not None and np.array_equal(made.pixels, good[made.source])
    for made in fitted([*good], **{**nothing, "colour": True}).sample(3, 0):
        assert (made.changes["blur_px"], made.changes["noise"], made.changes["light_low"]) == (0, 0, 1)


def test_that_pictures_that_do_not_differ_give_samples_that_do_not() -> None:
    same = [photographs(1)[0]] * 4
    for made in fitted([*same]).sample(3, 0):
        assert np.abs(made.pixels.astype(int) - same[0]).max() <= 1


def test_that_what_is_clipped_to_white_or_black_stays(good: list[NDArray[np.uint8]]) -> None:
    """A light box behind the part is white under any light, and a sample must not give it a cast."""
    on_white = []
    for pixels in good:
        changed = pixels.copy()
        changed[:20], changed[-20:] = 255, 0
        on_white.append(changed)
    for made in fitted([*on_white]).sample(5, 0):
        assert (made.pixels[:20] == 255).all() and (made.pixels[-20:] == 0).all()


def test_that_a_single_picture_is_varied_a_little_and_that_it_is_said() -> None:
    alone = photographs(1)
    made_by = fitted([*alone])
    samples = [made.pixels.astype(int) for made in made_by.sample(10, 0)]

    assert "One picture" in made_by.note
    assert all(0.2 < np.abs(sample - alone[0]).mean() < 10 for sample in samples)
    assert fitted([*photographs(2)]).note == ""


def test_that_grey_and_coloured_pictures_may_be_mixed(good: list[NDArray[np.uint8]]) -> None:
    mixed: list[Pixels] = [*good[:4], *(np.ascontiguousarray(pixels[..., 1]) for pixels in good[4:8])]
    for made in fitted(mixed).sample(8, 0):
        assert made.source is not None and made.pixels.shape == mixed[made.source].shape


def test_that_the_same_scene_in_16_bits_gets_the_same_looks(good: list[NDArray[np.uint8]]) -> None:
    deep = [pixels.astype(np.uint16) * 257 for pixels in good]
    for one, other in zip(fitted([*good]).sample(4, 0), fitted([*deep]).sample(4, 0), strict=True):
        difference = np.abs(one.pixels.astype(float) - other.pixels / 257)
        assert difference.max() < 1


# Measuring


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_that_blur_is_measured(sigma: float) -> None:
    step = np.zeros((80, 80), np.float32)
    step[:, 40:] = 60
    assert blur_of(cv2.GaussianBlur(step, (0, 0), sigma)) == pytest.approx(sigma, rel=0.15)
    assert blur_of(np.full((40, 40), 50, np.float32)) == 0


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_that_noise_is_measured_whatever_is_shown(sigma: float) -> None:
    lightness = to_lab((scene() * 255).astype(np.uint8), 255)[..., 0]
    grain = np.random.default_rng(0).normal(0, sigma, lightness.shape).astype(np.float32)
    assert noise_of(lightness + grain) == pytest.approx(sigma, rel=0.15)


def test_that_a_row_of_pixels_can_be_measured() -> None:
    assert np.isfinite(Look.of(to_lab(np.arange(64, dtype=np.uint8)[None], 255)).everything).all()


def test_that_an_asked_for_change_is_what_is_measured_afterwards(good: list[NDArray[np.uint8]]) -> None:
    lab = to_lab(good[0], 255)
    own = Look.of(lab)
    vector = np.zeros_like(own.changeable)
    vector[0], vector[1], vector[3], vector[-2] = 3.0, 1.0, 1.0, 0.4
    changed, told = LookChange.of(vector).applied(lab, own, np.random.default_rng(0))
    look = Look.of(changed)

    assert look.colour[0] - own.colour[0] == pytest.approx(3, abs=0.1)
    assert look.colour[1] - own.colour[1] == pytest.approx(1, abs=0.1)
    assert look.blur_px - own.blur_px == pytest.approx(0.4, abs=0.15)
    assert told["lightness"] == 3 and told["blur_px"] > 0.4


def test_that_no_change_gives_the_counts_back_exactly(good: list[NDArray[np.uint8]]) -> None:
    for pixels in (good[0], good[0][..., 0], good[0].astype(np.uint16) * 16):
        highest = 255 if pixels.dtype == np.uint8 else 4095
        picture = LabPicture(pixels, highest)
        assert np.array_equal(picture.changed_to(picture.lab), pixels)


def test_that_draws_fill_the_ellipsoid_of_the_pictures(good: list[NDArray[np.uint8]]) -> None:
    space = LookSpace.spanned_by([Look.of(to_lab(pixels, 255)) for pixels in good])
    random = np.random.default_rng(0)
    ways = np.stack([space.drawn(random) for _ in range(500)])
    places = ways @ np.linalg.pinv(space.axes)

    assert np.linalg.norm(places, axis=1).max() <= space.reach * (1 + 1e-6)
    assert len(space.axes) == len(good) - 1
    assert np.abs(ways.mean(axis=0)).max() < 0.2 * ways.std(axis=0).max()
