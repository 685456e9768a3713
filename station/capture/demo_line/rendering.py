"""Whole pictures of the demo line: fixture, shadow, ring, defect, lens and sensor."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from station.capture.demo_line.defects import Blemish, Change, DefectKind, draw_blemish
from station.capture.demo_line.fixture import fixture
from station.capture.demo_line.lighting import Field, Surface, radiance
from station.capture.demo_line.optics import defocused, expose, focused
from station.capture.demo_line.ring_part import BORE_RADIUS, Box, Part, Polar, draw_part, polar, surface

DEFAULT_SIZE_PX: Final = 768
MIN_SIZE_PX: Final = 128

_PART_STREAM, _BLEMISH_STREAM = 1, 2
_POINTS_PER_ROW: Final = 512
_SHADOW_RADII: Final = 1.25
_SHADOW_TO_X, _SHADOW_TO_Y = 0.030, 0.038
_BROKEN_METAL_SCATTER: Final = 0.46
_VISIBLE_GREY_LEVELS: Final = 16.0
"""By so much at least a quarter of a defect's area differs from the good part: a person sees it without searching."""
_MAX_DRAWS: Final = 12


def render_part(
    seed: int, index: int, defect: DefectKind | None = None, size_px: int = DEFAULT_SIZE_PX, is_focused: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Part number `index` of the line `seed`, and where its defect is.

    Returns 8-bit RGB `(size_px, size_px, 3)` and the mask `(size_px, size_px)`, all False for a good part. The same
    arguments give the same picture; with another `defect` it is the same part in the same pose and light.
    """
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    scene = _good_scene(part, size_px)
    mask = np.zeros((size_px, size_px), np.bool_)
    if defect is not None:
        _add_defect(scene, mask, part, defect, np.random.default_rng([seed, index, _BLEMISH_STREAM]))
    seen = focused(scene) if is_focused else defocused(scene)
    return expose(seen, part.exposure, part.noise_row, part.noise_column), mask


def render_empty_fixture(seed: int, index: int, size_px: int = DEFAULT_SIZE_PX) -> NDArray[np.uint8]:
    """The nest with no part in it, 8-bit RGB `(size_px, size_px, 3)`."""
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    return expose(focused(fixture(size_px)), part.exposure, part.noise_row, part.noise_column)


def render_covered_lens(seed: int, index: int, size_px: int = DEFAULT_SIZE_PX) -> NDArray[np.uint8]:
    """What a lens with its cap on sees: black with sensor noise, 8-bit RGB `(size_px, size_px, 3)`."""
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    dark = np.full((size_px, size_px, 3), 0.0004, np.float32)
    return expose(dark, part.exposure, part.noise_row, part.noise_column)


def _good_scene(part: Part, size_px: int) -> Field:
    """Linear RGB `(size_px, size_px, 3)` of the good part in its fixture."""
    scene = fixture(size_px).copy()
    box = _box(part, size_px, 0.0, 0.0, _SHADOW_RADII)
    at = polar(part, size_px, box)
    below = scene[box.area] * _shadow(at)[..., np.newaxis]
    coverage = _coverage(part, at, size_px)
    covered = np.flatnonzero(coverage)
    # Only the ring's own pixels are shaded, laid out as a rectangle because cv2.remap wants one; np.resize repeats
    # the first points to fill it up.
    points = np.resize(covered, (-(-covered.size // _POINTS_PER_ROW), _POINTS_PER_ROW))
    on_ring = Polar(*(field.reshape(-1)[points] for field in (at.cos, at.sin, at.radius, at.angle)))
    seen = radiance(surface(part, on_ring, size_px), part.light_turn_rad)
    flat, share = below.reshape(-1, 3), coverage.reshape(-1)[points][..., np.newaxis]
    flat[points] = flat[points] * (1.0 - share) + seen * share
    scene[box.area] = below
    return scene


def _add_defect(scene: Field, mask: NDArray[np.bool_], part: Part, kind: DefectKind, rng: np.random.Generator) -> None:
    """Draw defects until one is visible, and put that into `scene` and `mask`."""
    size_px = scene.shape[0]
    severity = float(rng.uniform())
    for _ in range(_MAX_DRAWS):
        blemish = draw_blemish(kind, severity, rng)
        box = _box(part, size_px, blemish.centre_x, blemish.centre_y, blemish.reach)
        changed, change = _defective_scene(part, size_px, box, blemish)
        if _is_visible(scene[box.area], changed, change.mask, part):
            break
        severity = min(1.0, severity + 0.15)
    scene[box.area] = changed
    mask[box.area] = change.mask


def _defective_scene(part: Part, size_px: int, box: Box, blemish: Blemish) -> tuple[Field, Change]:
    at = polar(part, size_px, box)
    change = blemish.change(at, part.radius_px(size_px))
    below = fixture(size_px)[box.area] * _shadow(at)[..., np.newaxis]
    good = surface(part, replace(at, radius=change.profile_radius), size_px)
    seen = radiance(_changed(good, change, part.radius_px(size_px)), part.light_turn_rad) * change.tint
    share = (_coverage(part, at, size_px) * (1.0 - change.gone))[..., np.newaxis]
    return below * (1.0 - share) + seen * share, change


def _changed(good: Surface, change: Change, radius_px: float) -> Surface:
    down, across = np.gradient(change.height, 1.0 / radius_px)
    keep = 1.0 - change.frosting
    broken = change.frosting * np.float32(_BROKEN_METAL_SCATTER)
    return replace(
        good,
        slope_across=good.slope_across + across * good.cos + down * good.sin,
        slope_along=good.slope_along - across * good.sin + down * good.cos,
        scatter_across=good.scatter_across * keep + broken,
        scatter_along=good.scatter_along * keep + broken,
    )


def _is_visible(before: Field, after: Field, mask: NDArray[np.bool_], part: Part) -> bool:
    if not mask.any():
        return False
    difference = expose(focused(after), part.exposure, 0, 0).astype(np.int16) - expose(
        focused(before), part.exposure, 0, 0
    )
    return bool(np.percentile(np.abs(difference).mean(axis=-1)[mask], 75) >= _VISIBLE_GREY_LEVELS)


def _coverage(part: Part, at: Polar, size_px: int) -> Field:
    """How much of each pixel the ring covers: its two edges, one pixel soft."""
    radius_px = np.float32(part.radius_px(size_px))
    outer = np.clip((1.0 - at.radius) * radius_px + 0.5, 0.0, 1.0)
    return outer * np.clip((at.radius - np.float32(BORE_RADIUS)) * radius_px + 0.5, 0.0, 1.0)


def _shadow(at: Polar) -> Field:
    """What the ring leaves of the light on the fixture: dark where they touch, and away from the main lamp."""
    contact = np.exp(-np.abs(at.radius - 1.0) * 22.0) + np.exp(-np.abs(at.radius - np.float32(BORE_RADIUS)) * 16.0)
    x, y = at.radius * at.cos - np.float32(_SHADOW_TO_X), at.radius * at.sin - np.float32(_SHADOW_TO_Y)
    away = np.sqrt(x * x + y * y)
    cast = np.clip((1.02 - away) * 20.0, 0.0, 1.0) * np.clip((away - np.float32(BORE_RADIUS - 0.02)) * 20.0, 0.0, 1.0)
    return (1.0 - 0.55 * np.minimum(contact, 1.0)) * (1.0 - 0.5 * cast)


def _box(part: Part, size_px: int, x: float, y: float, reach: float) -> Box:
    """The pixels within `reach` of a point, both in ring radii from the ring's centre."""
    radius_px = part.radius_px(size_px)
    middle_x, middle_y = part.centre_x * size_px + x * radius_px, part.centre_y * size_px + y * radius_px
    far = reach * radius_px + 2.0
    return Box(
        left=max(0, int(middle_x - far)),
        top=max(0, int(middle_y - far)),
        right=min(size_px, int(middle_x + far) + 1),
        bottom=min(size_px, int(middle_y + far) + 1),
    )
