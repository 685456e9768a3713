"""How a recipe comes from a model, what it checks, and when the two do not fit."""

import pytest

from ml.artifact import PictureReference
from station.core.errors import RecipeError
from station.core.recipe import QualityLimits
from station.core.recipe_rules import LIKENESS_MEANINGFUL, LIKENESS_ROOM, quality_limits, recipe_for, refuse_mismatch
from tests import fakes


def reference(**changes: object) -> PictureReference:
    return fakes.manifest().reference.model_copy(update=changes)


def test_that_limits_lie_outside_what_the_training_pictures_showed() -> None:
    limits = quality_limits(reference(brightness=(0.4, 0.6), contrast=(0.2, 0.4), focus=(10.0, 20.0)))
    assert limits.brightness_min is not None and limits.brightness_min < 0.4
    assert limits.brightness_max is not None and 0.6 < limits.brightness_max < 1
    assert limits.contrast_min is not None and 0 < limits.contrast_min < 0.2
    assert limits.focus_min is not None and 0 < limits.focus_min < 10


@pytest.mark.parametrize("likeness", [None, LIKENESS_MEANINGFUL - 0.1])
def test_that_likeness_is_not_judged_where_it_says_nothing(likeness: float | None) -> None:
    assert quality_limits(reference(likeness_min=likeness)).likeness_min is None


def test_that_likeness_is_judged_with_room_where_parts_lie_alike() -> None:
    assert quality_limits(reference(likeness_min=0.95)).likeness_min == pytest.approx(0.95 - LIKENESS_ROOM)


def test_that_the_picture_size_stays_open_where_training_pictures_differed() -> None:
    mixed = fakes.manifest(reference=reference(has_one_size=False))
    assert (recipe_for(mixed, "Ring", "demo").width_px, recipe_for(mixed, "Ring", "demo").height_px) == (None, None)
    assert recipe_for(fakes.manifest(), "Ring", "demo").width_px == fakes.SIDE_PX


def test_that_a_recipe_fits_the_model_it_was_made_for() -> None:
    refuse_mismatch(recipe_for(fakes.manifest(), "Ring", "demo"), fakes.manifest())


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"model_hash": "f" * 64}, "ffffffffffff"), ({"window": (0.0, 99.0)}, "value window")],
)
def test_that_a_mismatch_names_the_recipe_and_what_differs(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as refused:
        refuse_mismatch(fakes.recipe(**changes), fakes.manifest())
    assert "Fake seat" in str(refused.value)


def test_that_no_limit_is_a_recipe_without_picture_check() -> None:
    assert set(QualityLimits().model_dump().values()) == {None}
