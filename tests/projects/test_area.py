"""Where to look: what the choices lead to, and what stands in their way."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.errors import ParameterError
from ml.inspection_area import Brush, Ellipse, InspectionArea, Rectangle, brush_of
from ml.part_search import PartSearch
from ml.pictures import encode_png
from ml.preprocessing import Clahe, RegionOfInterest, RingSearch
from station.projects.project import Looks, Project, ProjectPicture, SearchCheck
from station.projects.steps import area

SIZE = 200, 100
TEMPLATE = b64encode(encode_png(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64))).decode()
PARTS = PartSearch(template_png=TEMPLATE, width_px=64, height_px=48)
HALF = Rectangle(x=0, y=0, width=100, height=100)
SPOT = Ellipse(centre_x=100, centre_y=50, radius_x=20, radius_y=10)

Looking = Callable[..., str]


def picture(number: int, width: int = 200, height: int = 100, **fields: Any) -> ProjectPicture:
    return ProjectPicture(
        name=f"{number:03}.png",
        file=Path(f"/pictures/{number:03}.png"),
        sha256="0" * 64,
        width_px=width,
        height_px=height,
        added_at=datetime(2026, 3, 1, tzinfo=UTC),
        **fields,
    )


def project(**fields: Any) -> Project:
    return Project(name="Seat", pictures=fields.pop("pictures", tuple(picture(each) for each in range(10))), **fields)


def stroke(left: int, right: int) -> Brush:
    covered = np.zeros((100, 200), bool)
    covered[40:60, left:right] = True
    return brush_of(covered)


def consequence(looks: Looks, **fields: Any) -> str:
    found = area.readiness(project(looks=looks, **fields))
    assert not found.obstacle
    return found.consequence


def test_that_the_whole_picture_is_looked_at_unless_something_is_chosen() -> None:
    assert consequence(Looks()) == "The whole picture is looked at"


def test_that_the_share_and_the_ignored_areas_are_told() -> None:
    looks = area.with_shape(Looks(), HALF, "look", SIZE)
    assert consequence(looks) == "50 % of the picture is looked at"
    looks = area.with_shape(looks, SPOT, "ignore", SIZE)
    assert consequence(looks) == "48 % of the picture is looked at, 1 area is ignored"


def test_that_a_share_is_never_rounded_to_all_or_nothing() -> None:
    dot = Rectangle(x=5, y=5, width=1, height=1)
    assert consequence(area.with_shape(Looks(), dot, "look", SIZE)).startswith("Less than 1 %")
    assert consequence(area.with_shape(Looks(), dot, "ignore", SIZE)).startswith("More than 99 %")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "The part is found on each picture and cut out upright, 64 × 48 px"),
        (3, "3 parts on each picture, each 64 × 48 px"),
        (None, "All parts found on a picture are looked at, each 64 × 48 px"),
    ],
)
def test_that_parts_are_counted(count: int | None, words: str) -> None:
    looks = Looks(parts=PARTS.model_copy(update={"count": count}))
    assert consequence(looks) == words
    looks = area.with_shape(looks, Rectangle(x=0, y=0, width=32, height=48), "look", (64, 48))
    assert consequence(looks) == f"{words}; 50 % of each part is looked at"


def test_that_ring_and_evened_contrast_are_told() -> None:
    looks = Looks(ring=RingSearch(inner=1, outer=2.5, unwrap=True), clahe=Clahe())
    assert consequence(looks) == (
        "A ring around the circle on each part is looked at, 1 to 2.5 times its radius, laid out as a strip; "
        "contrast is evened out"
    )


def test_that_what_leaves_nothing_is_refused() -> None:
    looks = area.with_shape(Looks(), HALF, "look", SIZE)
    with pytest.raises(ParameterError, match="leaves nothing"):
        area.with_shape(looks, Rectangle(x=0, y=0, width=200, height=100), "ignore", SIZE)
    with pytest.raises(ParameterError, match="covers no pixel"):
        area.with_shape(looks, Rectangle(x=300, y=0, width=20, height=20), "look", SIZE)


def test_that_shapes_are_taken_away_one_by_one() -> None:
    looks = area.with_shape(area.with_shape(Looks(), HALF, "look", SIZE), SPOT, "ignore", SIZE)
    looks = area.without_shape(looks, "look", 0, SIZE)
    assert looks.area == InspectionArea(width_px=200, height_px=100, ignore=(SPOT,))
    assert area.without_shape(looks, "ignore", 0, SIZE).area is None


def test_that_brush_strokes_of_one_role_become_one_shape_and_can_be_rubbed_out() -> None:
    looks = area.with_shape(Looks(), stroke(10, 60), "ignore", SIZE)
    looks = area.with_shape(looks, stroke(50, 100), "ignore", SIZE)
    assert looks.area is not None
    assert looks.area.ignore == (stroke(10, 100),)
    looks = area.without_stroke(looks, stroke(10, 40), SIZE)
    assert looks.area is not None
    assert looks.area.ignore == (stroke(40, 100),)
    assert area.without_stroke(looks, stroke(0, 200), SIZE).area is None


def test_that_rubbing_out_leaves_other_shapes() -> None:
    looks = area.with_shape(Looks(), SPOT, "ignore", SIZE)
    assert area.without_stroke(looks, stroke(0, 200), SIZE) == looks


def test_that_an_area_and_pictures_of_another_size_do_not_go_together() -> None:
    looks = area.with_shape(Looks(), HALF, "look", SIZE)
    pictures = *(picture(each) for each in range(8)), picture(8, 300, 100), picture(9, 300, 100, set_aside="blurred")
    obstacle = area.readiness(project(looks=looks, pictures=pictures)).obstacle
    assert "1 of 9 pictures have another size (008.png: 300 × 100 px)" in obstacle
    assert "set those pictures aside" in obstacle
    assert not area.readiness(project(pictures=pictures)).obstacle


def test_that_an_area_drawn_on_whole_pictures_goes_with_the_search_for_parts() -> None:
    looks = area.with_shape(Looks(), HALF, "look", SIZE)
    changed = area.with_parts(looks, PARTS)
    assert changed.area is None
    drawn = area.with_shape(changed, Rectangle(x=0, y=0, width=32, height=32), "look", (64, 48))
    assert area.with_parts(drawn, PARTS.model_copy(update={"count": 2})).area == drawn.area
    assert area.with_parts(drawn, None).area is None


def test_that_a_ring_takes_the_place_of_area_and_parts() -> None:
    looks = area.with_ring(Looks(parts=PARTS), RingSearch())
    assert (looks.parts, looks.area) == (None, None)
    assert area.with_parts(looks, PARTS).ring is None


def test_that_a_search_that_misses_too_many_parts_stands_in_the_way() -> None:
    names = tuple(f"{each:03}.png" for each in range(10))
    looks = Looks(parts=PARTS)
    missing = SearchCheck(parts=PARTS, looked_at=10, missing=names[:3])
    found = area.readiness(project(looks=looks, search_check=missing))
    assert found.obstacle.startswith("No part is found in 3 of 10 pictures that were tried. Lower the likeness")
    few = SearchCheck(parts=PARTS, looked_at=10, missing=names[:2])
    assert "no part is found in 2 of 10" in consequence(looks, search_check=few)


def test_that_a_check_of_another_search_says_nothing() -> None:
    other = PARTS.model_copy(update={"least_likeness": 0.9})
    old = SearchCheck(parts=other, looked_at=10, missing=("000.png",) * 5)
    assert "no part" not in consequence(Looks(parts=PARTS), search_check=old)
    assert "no part" not in consequence(Looks(), search_check=old)


def test_that_fine_tuning_looks_as_its_base_does() -> None:
    words = consequence(area.with_shape(Looks(), HALF, "look", SIZE), base_model="a" * 64)
    assert words == "As the model that is fine-tuned: 50 % of the picture is looked at"


def test_that_the_sample_is_spread_over_the_good_pictures() -> None:
    many = *(picture(each) for each in range(100)), picture(100, label="bad"), picture(101, set_aside="blurred")
    names = [one.name for one in area.sample(project(pictures=many))]
    assert len(names) == area.SAMPLE
    assert (names[0], names[-1]) == ("000.png", "095.png")
    assert area.sample(project(pictures=())) == ()


def test_that_a_region_of_interest_is_shown_as_an_area_and_becomes_one() -> None:
    looks = Looks(region=RegionOfInterest(x=10, y=20, width=80, height=60))
    assert consequence(looks) == "A rectangle of 80 × 60 px is looked at"
    rectangle = Rectangle(x=10, y=20, width=80, height=60)
    assert area.listed(looks, SIZE) == (("look", rectangle),)
    changed = area.with_shape(looks, SPOT, "ignore", SIZE)
    assert changed.region is None
    assert changed.area == InspectionArea(width_px=200, height_px=100, look=(rectangle,), ignore=(SPOT,))
    assert area.without_area(looks) == Looks()
    assert area.listed(looks, (8, 8)) == ()
