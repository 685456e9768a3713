"""Thresholds by rule, in cases that can be counted by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ml.calibration import Calibration, calibrate
from ml.confusion import ConfusionMatrix
from ml.errors import CalibrationError
from ml.score_sheet import ScoredRow
from ml.threshold_choice import ThresholdChoice, ThresholdRule
from ml.threshold_rules import LabelledParts, choose, honest_estimate, labelled_threshold

GOOD = (1.0, 2.0, 3.0, 4.0, 6.0)
BAD = (3.5, 5.0, 7.0, 8.0, 9.0)
COST = ThresholdRule(rule="cost", cost_miss=10, cost_false_alarm=1)


def parts(good: tuple[float, ...] = GOOD, bad: tuple[float, ...] = BAD) -> LabelledParts:
    return LabelledParts(
        np.array(good), np.array(bad), tuple(f"g{n}" for n in range(len(good))), tuple(f"b{n}" for n in range(len(bad)))
    )


def calibration(count: int = 99, alpha: float = 0.01) -> Calibration:
    scores = [float(number) for number in range(1, count + 1)]
    return calibrate(scores, scores, [str(number) for number in range(count)], alpha=alpha, source="hold-out")


def row(name: str, label: str, score: float | None, part: str | None = None) -> ScoredRow:
    return ScoredRow(name=name, file=name, sha256="0" * 64, label=label, part=part, score=score)


@pytest.mark.parametrize(
    ("rule", "threshold", "matrix"),
    [
        # One miss costs ten false alarms: all five are found at the price of two false alarms (4 and 6).
        (COST, 3.25, ConfusionMatrix(tn=3, fp=2, fn=0, tp=5)),
        # Now a false alarm is as dear as ten misses.
        (
            ThresholdRule(rule="cost", cost_miss=1, cost_false_alarm=10),
            6.5,
            ConfusionMatrix(tn=5, fp=0, fn=2, tp=3),
        ),
        (ThresholdRule(rule="recall", recall=0.8), 4.5, ConfusionMatrix(tn=4, fp=1, fn=1, tp=4)),
        (ThresholdRule(rule="recall", recall=0.6), 6.5, ConfusionMatrix(tn=5, fp=0, fn=2, tp=3)),
        (ThresholdRule(rule="recall", recall=1), 3.25, ConfusionMatrix(tn=3, fp=2, fn=0, tp=5)),
        # F1: 10/12 at 3.25, 8/10 at 4.5, 6/8 at 6.5.
        (ThresholdRule(rule="f1"), 3.25, ConfusionMatrix(tn=3, fp=2, fn=0, tp=5)),
        # Recall minus false-alarm rate is 0.6 at 3.25, at 4.5 and at 6.5: of equals the one that finds most.
        (ThresholdRule(rule="youden"), 3.25, ConfusionMatrix(tn=3, fp=2, fn=0, tp=5)),
    ],
)
def test_that_each_rule_chooses_what_counting_by_hand_gives(
    rule: ThresholdRule, threshold: float, matrix: ConfusionMatrix
) -> None:
    found = labelled_threshold(rule, parts(), above=0.0)
    assert found == threshold
    assert parts().matrix(found) == matrix


def test_that_a_score_at_the_threshold_is_an_anomaly() -> None:
    assert parts().matrix(5.0) == ConfusionMatrix(tn=4, fp=1, fn=1, tp=4)


def test_that_equal_scores_stay_together() -> None:
    tied = parts(good=(1, 2, 5, 5), bad=(5, 5, 9))
    found = labelled_threshold(ThresholdRule(rule="recall", recall=1), tied, above=0.0)
    assert 2 < found <= 5 and tied.matrix(found) == ConfusionMatrix(tn=2, fp=2, fn=0, tp=3)


def test_that_where_no_defect_scores_higher_than_the_good_nothing_is_called_at_dear_false_alarms() -> None:
    rule = ThresholdRule(rule="cost", cost_miss=1, cost_false_alarm=100)
    found = labelled_threshold(rule, parts(good=(5, 6, 7), bad=(1, 2)), above=0.0)
    assert 7 < found < 7.001


def test_that_no_threshold_lies_at_or_below_the_typical_good_part() -> None:
    # Both defects cannot be found above 3; the one that can costs no false alarm.
    assert labelled_threshold(ThresholdRule(rule="recall", recall=1), parts(bad=(1.5, 9.0)), above=3.0) == 7.5
    assert labelled_threshold(COST, parts(good=(1, 2), bad=(1, 2)), above=3.0) > 3


@given(
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=12),
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=12),
    st.sampled_from([COST, ThresholdRule(rule="f1"), ThresholdRule(rule="youden")]),
)
def test_that_no_other_threshold_does_better(good: list[float], bad: list[float], rule: ThresholdRule) -> None:
    labelled = parts(tuple(good), tuple(bad))

    def loss(threshold: float) -> float:
        matrix = labelled.matrix(threshold)
        if rule.rule == "cost":
            return 10 * matrix.fn + matrix.fp
        if rule.rule == "f1":
            return -(matrix.f1 or 0.0)
        return -((matrix.recall or 0.0) - matrix.fp / len(good))

    found = labelled_threshold(rule, labelled, above=-1.0)
    assert float(np.float32(found)) == found
    others = [*good, *bad, 101.0]
    assert loss(found) <= min(loss(other) for other in others) + 1e-12


def test_that_labelled_rules_without_defects_say_what_to_do() -> None:
    with pytest.raises(CalibrationError, match="Add some, or choose by the false-alarm rate"):
        labelled_threshold(COST, parts(bad=()), above=0.0)


def test_that_the_false_alarm_rule_is_that_of_the_calibration() -> None:
    held_out = calibration()
    rule = ThresholdRule(rule="false_alarms", alpha=0.05)
    chosen = choose(rule, held_out, LabelledParts.of(held_out, ()), unsure_share=None)
    assert chosen.threshold == held_out.with_alpha(0.05).threshold


def test_that_a_rule_without_its_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="cost_miss"):
        ThresholdRule(rule="cost")


# Parts, folds


def test_that_a_part_counts_once_by_its_highest_score() -> None:
    rows = [
        row("a1", "bad", 5.0, "a"),
        row("a2", "bad", 8.0, "a"),
        row("b", "good", 3.0),
        row("c", "unsure", 99.0),
        row("d", "bad", None),
    ]
    labelled = LabelledParts.of(calibration(4, 0.2), rows)
    assert labelled.bad.tolist() == [8.0]
    assert labelled.good.tolist() == [1.0, 2.0, 3.0, 4.0, 3.0]


def test_that_the_honest_estimate_counts_every_part_once_and_not_by_its_own_choice() -> None:
    labelled = parts()
    estimate = honest_estimate(ThresholdRule(rule="youden"), labelled, above=0.0)
    assert estimate is not None and estimate.folds == 5
    assert estimate.matrix.total == 10 and estimate.matrix.tn + estimate.matrix.fp == 5
    fitted = labelled.matrix(labelled_threshold(ThresholdRule(rule="youden"), labelled, above=0.0))
    assert (estimate.matrix.accuracy or 0) < (fitted.accuracy or 0)
    assert estimate == honest_estimate(ThresholdRule(rule="youden"), labelled, above=0.0)


def test_that_a_part_that_is_shown_good_and_bad_is_never_split_between_folds() -> None:
    scores = np.arange(8.0)
    names = tuple(f"part {number}" for number in range(8))
    both = LabelledParts(scores, scores + 10, names, names)
    seen = honest_estimate(COST, both, above=-1.0, folds=4)
    assert seen is not None and seen.matrix == ConfusionMatrix(tn=8, fp=0, fn=0, tp=8)
    half = both.only(frozenset(names[:3]))
    assert half.good_names == half.bad_names == names[:3]


def test_that_one_defect_gives_no_estimate() -> None:
    assert honest_estimate(COST, parts(bad=(7.0,)), above=0.0) is None


# The calibration


def test_that_a_choice_takes_the_place_of_threshold_and_band_and_leaves_the_pixels_alone() -> None:
    before = calibration()
    after = before.with_choice(ThresholdChoice(rule="manual", threshold=95.5, unsure_share=0.1))
    assert after.threshold == 95.5 and after.threshold_low == before.with_alpha(0.1).threshold
    assert after.pixel_threshold == before.pixel_threshold and after.alpha == before.alpha
    low, high = after.false_alarm_interval  # 4 of 99 held-out parts reach 95.5
    assert low < 4 / 99 < high
    assert after.normalise(95.5) == 1 and after.judge(95.5) == "NG" and after.judge(95.0) == "UNSURE"


def test_that_a_band_that_would_not_lie_below_the_threshold_is_off() -> None:
    before = calibration()
    for share in (None, 0.01):
        assert (
            before.with_choice(ThresholdChoice(rule="manual", threshold=70, unsure_share=share)).threshold_low is None
        )


def test_that_a_threshold_is_rounded_up_to_float32() -> None:
    after = calibration().with_choice(ThresholdChoice(rule="manual", threshold=95.1))
    assert after.threshold >= 95.1 and float(np.float32(after.threshold)) == after.threshold


def test_that_a_threshold_below_the_typical_good_part_is_refused() -> None:
    with pytest.raises(CalibrationError, match="half of"):
        calibration().with_choice(ThresholdChoice(rule="manual", threshold=40.0))


def test_that_nothing_is_known_of_false_alarms_from_perturbed_copies_whatever_is_chosen() -> None:
    scores = [float(number) for number in range(1, 20)]
    held_out = calibrate(scores, scores, [str(n) for n in range(19)], alpha=0.01, source="perturbations")
    chosen = held_out.with_choice(ThresholdChoice(rule="manual", threshold=18.5))
    assert chosen.false_alarm_interval == (0.0, 1.0)


def test_that_a_calibration_without_a_choice_is_written_as_before_there_were_choices() -> None:
    before = calibration()
    assert "choice" not in before.model_dump(mode="json") and "choice" not in json.loads(before.model_dump_json())
    chosen = before.with_choice(ThresholdChoice(**COST.model_dump(), threshold=95.5, unsure_share=0.05))
    assert Calibration.model_validate_json(chosen.model_dump_json()) == chosen
    assert chosen.with_alpha(0.01).choice is None
