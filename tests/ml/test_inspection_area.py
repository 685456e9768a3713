"""An inspection area says of each pixel whether it is looked at; what it ignores reaches no model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from ml.area_mask import blackened, cells_looked_at
from ml.errors import ParameterError
from ml.inspection_area import (
    MOST_PIXELS,
    Annulus,
    Brush,
    Ellipse,
    InspectionArea,
    Polygon,
    Rectangle,
    Shape,
    brush_of,
    mask_of,
)
from ml.job import TrainingJob
from ml.pictures import MAX_PIXELS

SQUARE = Polygon(points=((2, 3), (7, 3), (7, 9), (2, 9)))


def rows(mask: NDArray[np.bool_]) -> list[str]:
    return ["".join("#" if pixel else "." for pixel in row) for row in mask]


def test_that_a_pixel_belongs_to_a_shape_where_its_centre_lies_in_it() -> None:
    assert rows(mask_of(Rectangle(x=1, y=0.6, width=2.4, height=2), 4, 5)) == [".....", ".##..", ".##..", "....."]
    assert rows(mask_of(Polygon(points=((0, 0), (4, 0), (0, 4))), 4, 4)) == ["###.", "##..", "#...", "...."]
    disc = Ellipse(centre_x=2.5, centre_y=2.5, radius_x=2, radius_y=2)
    assert rows(mask_of(disc, 5, 5)) == ["..#..", ".###.", "#####", ".###.", "..#.."]
    ring = Annulus(centre_x=2.5, centre_y=2.5, inner=1.1, outer=2.4)
    assert rows(mask_of(ring, 5, 5)) == [".###.", "##.##", "#...#", "##.##", ".###."]


def test_that_polygons_side_by_side_share_no_pixel_and_leave_none_out() -> None:
    left = Polygon(points=((0, 0), (13.3, 0), (7.1, 20), (0, 20)))
    right = Polygon(points=((13.3, 0), (30, 0), (30, 20), (7.1, 20)))
    both = mask_of(left, 20, 30).astype(int) + mask_of(right, 20, 30)
    assert (both == 1).all()


def test_that_a_rectangle_and_its_polygon_are_one() -> None:
    as_rectangle = mask_of(Rectangle(x=2, y=3, width=5, height=6), 12, 12)
    np.testing.assert_array_equal(mask_of(SQUARE, 12, 12), as_rectangle)


def test_that_an_ellipse_turns_clockwise() -> None:
    mask = mask_of(Ellipse(centre_x=50, centre_y=50, radius_x=40, radius_y=4, angle_deg=30), 100, 100)
    y, x = np.nonzero(mask)
    slope = np.polyfit(x, y, 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(30, abs=1)  # y points down
    assert mask.sum() == pytest.approx(np.pi * 40 * 4, rel=0.02)


@pytest.mark.parametrize(
    "shape",
    [
        Rectangle(x=-20, y=-20, width=30, height=30),
        Ellipse(centre_x=0, centre_y=0, radius_x=10, radius_y=10),
        Annulus(centre_x=0, centre_y=0, inner=0, outer=10),
        Polygon(points=((-50, -50), (9, -50), (9, 9), (-50, 9))),
        Brush(x=36, y=28, width=10, height=10, runs=(0, 100)),
    ],
    ids=lambda shape: shape.kind,
)
def test_that_a_shape_may_reach_out_of_the_picture(shape: Shape) -> None:
    mask = mask_of(shape, 32, 40)
    assert mask.shape == (32, 40)
    assert 0 < mask.sum() < 200


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_that_a_brush_gives_back_what_was_painted(mask: NDArray[np.bool_]) -> None:
    if not mask.any():
        with pytest.raises(ValueError, match="must cover a pixel"):
            brush_of(mask)
        return
    brush = Brush.model_validate_json(brush_of(mask).model_dump_json())
    np.testing.assert_array_equal(mask_of(brush, *mask.shape), mask)


def test_that_an_area_looks_at_what_is_drawn_without_what_is_ignored() -> None:
    area = InspectionArea(
        width_px=64,
        height_px=48,
        look=(Rectangle(x=8, y=8, width=40, height=30), Rectangle(x=40, y=30, width=16, height=10)),
        ignore=(Rectangle(x=8, y=8, width=4, height=30),),
    )
    mask = area.mask()
    assert mask.shape == (48, 64)
    assert mask[20, 30] and mask[39, 55] and not mask[20, 9] and not mask[0, 0]
    assert area.box == (12, 8, 44, 32)
    everything = InspectionArea(width_px=64, height_px=48)
    assert everything.mask().all() and everything.box == (0, 0, 64, 48)


def test_that_the_box_of_a_small_area_is_widened_inside_the_picture() -> None:
    small = InspectionArea(width_px=64, height_px=48, look=(Rectangle(x=60, y=10, width=4, height=6),))
    assert small.box == (32, 0, 32, 32)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"look": [{"kind": "rectangle", "x": 90, "y": 5, "width": 9, "height": 9}]}, "rectangle covers no pixel"),
        ({"ignore": [{"kind": "annulus", "centre_x": 9, "centre_y": 9, "inner": 5, "outer": 4}]}, "inner radius"),
        ({"ignore": [{"kind": "rectangle", "x": 0, "y": 0, "width": 99, "height": 99}]}, "nothing to look at"),
        ({"look": [{"kind": "brush", "x": 1, "y": 1, "width": 3, "height": 3, "runs": [1, 2]}]}, "cover 3 px"),
        ({"look": [{"kind": "brush", "x": 1, "y": 1, "width": 1, "height": 1, "runs": [2, -1]}]}, "greater than"),
        ({"look": [{"kind": "polygon", "points": [[1, 1], [2, 2]]}]}, "at least 3"),
        ({"look": [{"kind": "blob"}]}, "blob"),
        ({"width_px": 10**9}, "65536"),
    ],
)
def test_that_an_area_that_cannot_be_meant_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        InspectionArea.model_validate({"width_px": 64, "height_px": 48, **fields})


def test_that_a_job_refuses_an_area_outside_of_its_region(tmp_path: Path) -> None:
    order = {
        "data": tmp_path,
        "out": tmp_path / "m.loupe",
        "region": {"x": 0, "y": 0, "width": 32, "height": 32},
        "area": {
            "width_px": 64,
            "height_px": 48,
            "look": [{"kind": "rectangle", "x": 40, "y": 5, "width": 9, "height": 9}],
        },
    }
    with pytest.raises(ParameterError, match="region of interest holds nothing of what the area looks at"):
        TrainingJob.checked(order)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_that_what_is_ignored_is_as_black_as_the_window_begins(shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(50, 250, shape).astype(dtype)
    looked_at = mask_of(Rectangle(x=10, y=5, width=20, height=20), 40, 60)
    result = blackened(pixels, looked_at, 20.0)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[looked_at], pixels[looked_at])
    assert (result[~looked_at] == 20).all()


@pytest.mark.parametrize(
    ("shape", "covered", "offset"),
    [
        ((8, 8), (64, 64), (0, 0)),
        ((5, 7), (64, 70), (0, 0)),
        ((8, 8), (64, 64), (4, -4)),
        ((90, 100), (64, 64), (0, 0)),
    ],
)
def test_that_a_cell_counts_when_any_of_its_pixels_is_looked_at(
    shape: tuple[int, int], covered: tuple[float, float], offset: tuple[float, float]
) -> None:
    looked_at = np.zeros((64, 64), bool)
    looked_at[33, 17] = True
    cells = np.argwhere(cells_looked_at(looked_at, shape, covered, offset))
    wanted = [
        (place + 0.5 - shift) * count / length
        for place, shift, count, length in zip((33, 17), offset, shape, covered, strict=True)
    ]
    assert len(cells) >= 1
    np.testing.assert_allclose(cells + 0.5, np.broadcast_to(wanted, cells.shape), atol=1.5)
    assert cells_looked_at(np.ones((64, 64), bool), shape, covered, offset).all()


def test_that_an_area_larger_than_any_picture_is_refused_before_it_fills_the_memory() -> None:
    assert MOST_PIXELS == MAX_PIXELS
    with pytest.raises(ValidationError, match="more than 120 megapixels"):
        InspectionArea(width_px=65_536, height_px=65_536)
