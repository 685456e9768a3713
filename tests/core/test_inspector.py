"""The verdict rule, the picture check, and that no failure ever shows as OK."""

from dataclasses import replace

import numpy as np
import pytest

from ml.errors import DetectorError
from ml.preprocessing import RegionOfInterest
from ml.quality import PictureQuality
from station.core.errors import RecipeError
from station.core.frame import Frame
from station.core.inspector import Inspector, quality_objection
from station.core.recipe import QualityLimits
from station.core.recipe_rules import quality_limits, recipe_for
from station.core.verdict import Verdict
from tests import fakes

NO_LIMITS = QualityLimits()


def inspector(score: float = 1.0, **recipe_changes: object) -> tuple[Inspector, fakes.FakeDetector]:
    detector = fakes.FakeDetector(score)
    return Inspector(fakes.recipe(**{"quality": NO_LIMITS, **recipe_changes}), detector), detector


def test_that_the_verdict_follows_the_thresholds() -> None:
    calibration = fakes.manifest().calibration
    assert calibration.threshold_low is not None
    for score, verdict in (
        (calibration.median, Verdict.OK),
        (calibration.threshold_low, Verdict.UNSURE),
        (calibration.threshold, Verdict.NG),
    ):
        inspection = inspector(score)[0].inspect(fakes.frame()).inspection
        assert inspection.verdict is verdict
        assert inspection.score == score
        assert inspection.threshold == calibration.threshold
    assert inspection.normalised_score == pytest.approx(1)


def test_that_regions_lie_where_the_map_is_hot_and_carry_normalised_peaks() -> None:
    inspection = inspector(5.0)[0].inspect(fakes.frame()).inspection
    (region,) = inspection.regions
    assert (region.x, region.y) == (0, 0)
    assert region.width < fakes.SIDE_PX / 4
    assert region.peak == pytest.approx(fakes.manifest().calibration.normalise(5.0), rel=0.2)


def test_that_given_truth_never_changes_the_verdict() -> None:
    judging = inspector(1.0)[0]
    told = [judging.inspect(fakes.frame(given_truth=truth)).inspection for truth in (None, "normal", "anomaly")]
    assert len({(item.verdict, item.score, item.regions) for item in told}) == 1
    assert [item.given_truth for item in told] == [None, "normal", "anomaly"]


@pytest.mark.parametrize(
    ("taken", "word"),
    [
        (np.zeros((64, 64, 3), np.uint8), "too dark"),
        (np.full((64, 64, 3), 254, np.uint8), "too bright"),
        (np.full((64, 64, 3), 128, np.uint8), "almost nothing"),
    ],
)
def test_that_an_unusable_picture_is_a_fault_that_names_its_figure(taken: np.ndarray, word: str) -> None:
    judging, detector = inspector(quality=quality_limits(fakes.manifest().reference))
    inspected = judging.inspect(Frame(taken, 8, "fake"))
    assert inspected.inspection.verdict is Verdict.FAULT
    assert word in (inspected.inspection.fault or "")
    assert inspected.inspection.score is None
    assert inspected.frame is not None, "the picture is kept, so that somebody can see what was wrong"
    assert detector.calls == 0


def test_that_without_limits_every_picture_is_judged() -> None:
    black = Frame(np.zeros((fakes.SIDE_PX, fakes.SIDE_PX, 3), np.uint8), 8, "fake")
    assert inspector()[0].inspect(black).inspection.verdict is Verdict.OK


def test_that_blur_and_a_missing_part_are_told_apart() -> None:
    limits = QualityLimits(focus_min=5, likeness_min=0.5)
    assert "focus" in (quality_objection(PictureQuality(0.5, 0.2, 1.0, 0.9), limits) or "")
    assert "No part" in (quality_objection(PictureQuality(0.5, 0.2, 9.0, 0.1), limits) or "")
    assert quality_objection(PictureQuality(0.5, 0.2, 9.0, 0.9), limits) is None


def test_that_another_picture_size_than_the_recipes_is_a_fault() -> None:
    inspection = inspector()[0].inspect(Frame(fakes.pixels(side_px=80), 8, "fake")).inspection
    assert inspection.verdict is Verdict.FAULT
    assert "80 x 80" in (inspection.fault or "")


def test_that_a_failing_detector_is_a_fault_and_a_bug_is_not_swallowed() -> None:
    judging, detector = inspector()
    detector.run_out_of_memory()
    assert judging.inspect(fakes.frame()).inspection.verdict is Verdict.FAULT
    detector.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        judging.inspect(fakes.frame())


def test_that_a_score_that_is_no_number_is_a_fault() -> None:
    assert inspector(float("nan"))[0].inspect(fakes.frame()).inspection.verdict is Verdict.FAULT


@pytest.mark.parametrize(
    "changes",
    [
        {"window": (0.0, 200.0)},
        {"model_hash": "d" * 64},
        {"region": RegionOfInterest(x=0, y=0, width=40, height=40)},
    ],
)
def test_that_a_recipe_that_disagrees_with_its_model_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Inspector(fakes.recipe(**changes), fakes.FakeDetector())


def test_that_limits_leave_room_around_the_training_pictures() -> None:
    reference = fakes.manifest().reference
    limits = quality_limits(reference)
    assert limits.brightness_min is not None
    assert limits.brightness_max is not None
    assert limits.brightness_min < reference.brightness[0] < reference.brightness[1] < limits.brightness_max
    assert limits.likeness_min is None, "no likeness was measured"
    unlike = reference.model_copy(update={"likeness_min": 0.3})
    assert quality_limits(unlike).likeness_min is None, "parts that lie anywhere have no likeness to lose"


def test_that_a_recipe_takes_over_what_the_model_knows() -> None:
    manifest = fakes.manifest()
    made = recipe_for(manifest, "Seat", "demo")
    assert (made.width_px, made.window, made.model_hash) == (fakes.SIDE_PX, (0, 255), "a" * 64)
    sizes_differ = manifest.reference.model_copy(update={"has_one_size": False})
    assert recipe_for(manifest.model_copy(update={"reference": sizes_differ}), "Seat", "demo").width_px is None


def test_that_detector_errors_name_the_cause() -> None:
    judging, detector = inspector()
    detector.failure = DetectorError("Not enough memory on cpu.")
    fault = judging.inspect(fakes.frame(), "S-1").inspection
    assert fault.fault == "Not enough memory on cpu."
    assert replace(fault, serial="S-1") == fault
