"""Whole pictures of the demo line: fixture, shadow, ring, defect, lens and sensor."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from station.capture.demo_line.batch import BATCHES, Batch
from station.capture.demo_line.defects import Blemish, Change, DefectKind, draw_blemish
from station.capture.demo_line.fixture import fixture
from station.capture.demo_line.lighting import Field, Surface, radiance
from station.capture.demo_line.optics import defocused, exposed, focused, with_noise
from station.capture.demo_line.ring_part import BORE_RADIUS, RADIUS_OF_SIDE, Box, Part, Polar, draw_part, polar, surface

DEFAULT_SIZE_PX: Final = 768
MIN_SIZE_PX: Final = 128

_PART_STREAM, _BLEMISH_STREAM = 1, 2
_POINTS_PER_ROW: Final = 512
_SHADOW_TO_X, _SHADOW_TO_Y = 0.030, 0.038
_BROKEN_METAL_SCATTER: Final = 0.46
_VISIBLE_GREY_LEVELS: Final = 26.0
"""By so much at least a quarter of a defect's area differs from the good part, before the lens blurs it: a person
sees it without searching."""
_MAX_DRAWS: Final = 12


def render_part(
    seed: int,
    index: int,
    defect: DefectKind | None = None,
    size_px: int = DEFAULT_SIZE_PX,
    is_focused: bool = True,
    batch: Batch = BATCHES[1],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Part number `index` of the line `seed`, made in `batch`, and where its defect is.

    Returns 8-bit RGB `(size_px, size_px, 3)` and the mask `(size_px, size_px)`, all False for a good part. The same
    arguments give the same picture; with another `defect` it is the same part in the same pose and light.
    """
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    scene = _good_scene(part, size_px, batch)
    mask = np.zeros((size_px, size_px), np.bool_)
    if defect is not None:
        _add_defect(scene, mask, part, defect, np.random.default_rng([seed, index, _BLEMISH_STREAM]), batch)
    seen = focused(scene, size_px) if is_focused else defocused(scene, size_px)
    return _captured(batch.lit(seen), part), mask


def render_empty_fixture(
    seed: int, index: int, size_px: int = DEFAULT_SIZE_PX, batch: Batch = BATCHES[1]
) -> NDArray[np.uint8]:
    """The nest with no part in it, 8-bit RGB `(size_px, size_px, 3)`."""
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    return _captured(batch.lit(focused(fixture(size_px), size_px)), part)


def render_covered_lens(seed: int, index: int, size_px: int = DEFAULT_SIZE_PX) -> NDArray[np.uint8]:
    """What a lens with its cap on sees: black with sensor noise, 8-bit RGB `(size_px, size_px, 3)`."""
    part = draw_part(np.random.default_rng([seed, index, _PART_STREAM]))
    dark = np.full((size_px, size_px, 3), 0.0004, np.float32)
    return _captured(dark, part)


def _captured(seen: Field, part: Part) -> NDArray[np.uint8]:
    return with_noise(exposed(seen, part.exposure), part.noise_row, part.noise_column)


def _good_scene(part: Part, size_px: int, batch: Batch) -> Field:
    """Linear RGB `(size_px, size_px, 3)` of the good part in its fixture."""
    scene = _shaded_fixture(part, size_px)
    box = _box(part, size_px, 0.0, 0.0, 1.0)
    at = polar(part, size_px, box)
    share = _coverage(part, at, size_px)
    points = _points(share > 0)
    seen = batch.tinted(radiance(surface(part, at.at(points), size_px), part.light_turn_rad))
    scene[box.area] = _blended(scene[box.area], seen, points, share)
    return scene


def _add_defect(
    scene: Field, mask: NDArray[np.bool_], part: Part, kind: DefectKind, rng: np.random.Generator, batch: Batch
) -> None:
    """Draw defects until one is visible, and put that into `scene` and `mask`."""
    size_px = scene.shape[0]
    severity = float(rng.uniform())
    for _ in range(_MAX_DRAWS):
        blemish = draw_blemish(kind, severity, rng)
        box = _box(part, size_px, blemish.centre_x, blemish.centre_y, blemish.reach)
        changed, change = _defective_scene(part, size_px, box, blemish, scene[box.area], batch)
        if _is_visible(batch.lit(scene[box.area]), batch.lit(changed), change.mask, part):
            break
        severity = min(1.0, severity + 0.15)
    scene[box.area] = changed
    mask[box.area] = change.mask


def _defective_scene(
    part: Part, size_px: int, box: Box, blemish: Blemish, good: Field, batch: Batch
) -> tuple[Field, Change]:
    """Linear RGB of `box` with the blemish in it; `good` is the same without."""
    at = polar(part, size_px, box)
    change = blemish.change(at, part.radius_px(size_px))
    share = _coverage(part, at, size_px)
    points = _points(change.touched(at) & (share > 0))
    if change.gone is not None:
        share = share * (1.0 - change.gone)
    profile_radius = None if change.profile_radius is None else change.profile_radius.reshape(-1)[points]
    bare = surface(part, at.at(points), size_px, profile_radius)
    seen = batch.tinted(radiance(_changed(bare, change, points, part.radius_px(size_px)), part.light_turn_rad))
    if change.film is not None:
        film = change.film.reshape(-1)[points][..., np.newaxis]
        seen *= np.clip(1.0 - film * np.asarray(change.absorbed, np.float32), 0.03, None)
    scene = good.copy()
    rows, columns = np.divmod(points, scene.shape[1])
    scene[rows, columns] = _shaded_fixture(part, size_px)[box.area][rows, columns]
    return _blended(scene, seen, points, share), change


def _points(where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of the True pixels, laid out as a rectangle `(rows, 512)` because cv2.remap wants one.

    Only the ring's own pixels are shaded. The first of them are repeated to fill up the last row.
    """
    found = np.flatnonzero(where)
    return np.resize(found, (-(-found.size // _POINTS_PER_ROW), _POINTS_PER_ROW))


def _blended(below: Field, seen: Field, points: NDArray[np.intp], share: Field) -> Field:
    """`below` with `seen` at `points` over it, where `share` of each pixel is metal."""
    result = np.ascontiguousarray(below)
    flat, shares = result.reshape(-1, 3), share.reshape(-1)[points]
    is_soft = shares < 1.0
    soft = points[is_soft]
    part_metal = shares[is_soft][:, np.newaxis]
    mixed = flat[soft] * (1.0 - part_metal) + seen[is_soft] * part_metal
    flat[points] = seen
    flat[soft] = mixed
    return result


def _changed(bare: Surface, change: Change, points: NDArray[np.intp], radius_px: float) -> Surface:
    if change.height is not None:
        down, across = (slope.reshape(-1)[points] for slope in np.gradient(change.height, 1.0 / radius_px))
        bare = replace(
            bare,
            slope_across=bare.slope_across + across * bare.cos + down * bare.sin,
            slope_along=bare.slope_along - across * bare.sin + down * bare.cos,
        )
    if change.frosting is not None:
        frosting = change.frosting.reshape(-1)[points]
        broken = frosting * np.float32(_BROKEN_METAL_SCATTER)
        bare = replace(
            bare,
            scatter_across=bare.scatter_across * (1.0 - frosting) + broken,
            scatter_along=bare.scatter_along * (1.0 - frosting) + broken,
        )
    return bare


def _is_visible(before: Field, after: Field, mask: NDArray[np.bool_], part: Part) -> bool:
    if not mask.any():
        return False
    now, earlier = (exposed(scene[mask], part.exposure).astype(np.int16) for scene in (after, before))
    return bool(np.percentile(np.abs(now - earlier).mean(axis=-1), 75) >= _VISIBLE_GREY_LEVELS)


def _coverage(part: Part, at: Polar, size_px: int) -> Field:
    """How much of each pixel the ring covers: its two edges, one pixel soft."""
    radius_px = np.float32(part.radius_px(size_px))
    outer = np.clip((1.0 - at.radius) * radius_px + 0.5, 0.0, 1.0)
    inner = np.clip((at.radius - np.float32(BORE_RADIUS)) * radius_px + 0.5, 0.0, 1.0)
    return np.asarray(outer * inner, np.float32)


def _shaded_fixture(part: Part, size_px: int) -> Field:
    """The fixture with the part's shadow on it, linear RGB `(size_px, size_px, 3)`."""
    shift = np.float64(size_px) * np.asarray([part.centre_x, part.centre_y]) - part.scale * size_px / 2
    to_pose = np.asarray([[part.scale, 0.0, shift[0]], [0.0, part.scale, shift[1]]])
    moved = cv2.warpAffine(_shadow(size_px), to_pose, (size_px, size_px), borderValue=1.0)
    shaded: Field = cv2.multiply(fixture(size_px), cv2.cvtColor(moved, cv2.COLOR_GRAY2RGB))
    return shaded


@lru_cache(maxsize=8)
def _shadow(size_px: int) -> Field:
    """What a ring in the middle leaves of the light: dark where it touches, and away from the main lamp."""
    steps = ((np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5) / RADIUS_OF_SIDE
    x, y = np.meshgrid(steps, steps)
    radius = np.hypot(x, y)
    contact = np.exp(-np.abs(radius - 1.0) * 22.0) + np.exp(-np.abs(radius - BORE_RADIUS) * 16.0)
    away = np.hypot(x - _SHADOW_TO_X, y - _SHADOW_TO_Y)
    cast = np.clip((1.02 - away) * 20.0, 0.0, 1.0) * np.clip((away - BORE_RADIUS + 0.02) * 20.0, 0.0, 1.0)
    return np.asarray((1.0 - 0.55 * np.minimum(contact, 1.0)) * (1.0 - 0.5 * cast), np.float32)


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
