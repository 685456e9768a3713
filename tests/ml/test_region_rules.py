"""Region rules: by place, size and strength, without upper limits, in one verdict for all."""

import numpy as np
import pytest
from pydantic import ValidationError

from ml.errors import CalibrationError
from ml.judging import judge
from ml.maps import Detection, ScoreMap
from ml.region_rules import RegionRules, Section
from tests import fakes

SIDE = 200
CALIBRATION = fakes.manifest().calibration
RULES = RegionRules(
    verdict="rules",
    sections=(Section(reach=0.5, min_area_px=30), Section(reach=1.0, min_area_px=300, min_strength=1.2)),
)


def hot(x: int, y: int, width: int, height: int, normalised: float = 1.5, score: float = 1.0) -> Detection:
    """A map, one cell per pixel, with a box of `normalised` strength on typical ground."""
    span = CALIBRATION.pixel_threshold - CALIBRATION.pixel_median
    cells = np.full((SIDE, SIDE), CALIBRATION.pixel_median, np.float32)
    cells[y : y + height, x : x + width] = CALIBRATION.pixel_median + normalised * span
    return Detection(score, ScoreMap.over(cells, SIDE, SIDE))


@pytest.mark.parametrize(
    ("detection", "section"),
    [
        (hot(98, 98, 4, 4), None),
        (hot(95, 95, 10, 10), 1),
        (hot(10, 95, 10, 10), None),
        (hot(10, 90, 20, 20), 2),
        (hot(10, 90, 20, 20, normalised=1.1), None),
        (hot(0, 0, 20, 20), 2),
    ],
    ids=["small inside", "inside", "small outside", "outside", "weak outside", "beyond the last section"],
)
def test_that_a_section_s_limits_decide(detection: Detection, section: int | None) -> None:
    judgement = judge(detection, CALIBRATION, RULES)
    (region,) = judgement.regions
    assert region.section == section
    assert judgement.verdict == ("OK" if section is None else "NG")


@pytest.mark.parametrize("length", [20, 60, 199])
@pytest.mark.parametrize("normalised", [1.5, 50.0, 1e6])
def test_that_no_scratch_is_too_large_or_too_strong_to_be_ng(length: int, normalised: float) -> None:
    """The published rules passed regions of more than 700 px or a brightness above 100."""
    for detection in (hot(0, 90, length, 20, normalised), hot(90, 0, 20, length, normalised)):
        assert judge(detection, CALIBRATION, RULES).verdict == "NG"


def test_that_a_whole_ring_that_is_wrong_is_ng() -> None:
    assert judge(hot(0, 0, SIDE, SIDE), CALIBRATION, RULES).verdict == "NG"


def test_that_rules_alone_leave_the_score_no_say() -> None:
    above = hot(98, 98, 4, 4, score=2 * CALIBRATION.threshold)
    assert judge(above, CALIBRATION, RULES).verdict == "OK"
    assert judge(above, CALIBRATION, None).verdict == "NG"
    assert judge(above, CALIBRATION, RULES.model_copy(update={"verdict": "either"})).verdict == "NG"


def test_that_either_keeps_unsure_and_adds_what_breaks_a_rule() -> None:
    either = RULES.model_copy(update={"verdict": "either"})
    assert CALIBRATION.threshold_low is not None
    unsure = hot(98, 98, 4, 4, score=CALIBRATION.threshold_low)
    assert judge(unsure, CALIBRATION, either).verdict == "UNSURE"
    assert judge(hot(95, 95, 10, 10, score=CALIBRATION.threshold_low), CALIBRATION, either).verdict == "NG"


def test_that_a_score_that_is_no_number_is_never_judged() -> None:
    with pytest.raises(CalibrationError):
        judge(hot(98, 98, 4, 4, score=float("nan")), CALIBRATION, RULES)


def test_that_regions_tell_strength_and_centroid() -> None:
    (region,) = judge(hot(40, 60, 11, 7, normalised=1.7), CALIBRATION, None).regions
    assert (region.centre_x, region.centre_y) == (45, 63)
    assert region.strength == pytest.approx(1.7, abs=0.02)
    assert region.section is None


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_that_areas_for_another_resolution_scale_with_the_picture(scale: int) -> None:
    rules = RegionRules(sections=(Section(reach=1, min_area_px=100),), areas_at_px=SIDE)
    sizes = {"distance_px": 0.0, "strength": 1.5, "side_px": SIDE * scale}
    assert rules.broken(area_px=100 * scale**2, **sizes) == 1  # type: ignore[arg-type]
    assert rules.broken(area_px=100 * scale**2 - 1, **sizes) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("reaches", [(), (0.5, 0.5), (1.0, 0.4)])
def test_that_sections_are_given_outwards(reaches: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        RegionRules(sections=tuple(Section(reach=reach) for reach in reaches))


def test_that_there_are_no_upper_limits_to_set() -> None:
    with pytest.raises(ValidationError):
        Section.model_validate({"reach": 1, "max_area_px": 700})
