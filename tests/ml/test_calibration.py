"""Thresholds: the rule follows from alpha and the number of parts, and answers to both."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from ml.calibration import (
    Calibration,
    assign_groups,
    calibrate,
    clopper_pearson,
    ensure_disjoint,
    folds,
)
from ml.errors import CalibrationError, ParameterError


def make(scores, maxima=None, groups=None, alpha=0.01, band_factor=5.0) -> Calibration:
    values = np.asarray(scores, dtype=float)
    return calibrate(
        values,
        values if maxima is None else maxima,
        groups or [f"part {index}" for index in range(len(values))],
        alpha=alpha,
        source="5-fold",
        band_factor=band_factor,
    )


def normal_scores(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0.5, 0.2, count).astype(np.float32)


# --- conformal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "alpha", "rule"),
    [
        (99, 0.01, "conformal"),
        (98, 0.01, "log_normal"),
        (19, 0.05, "conformal"),
        (18, 0.05, "log_normal"),
        (9, 0.1, "conformal"),
    ],
)
def test_that_the_conformal_rule_needs_one_over_alpha_minus_one_parts(count, alpha, rule):
    assert make(normal_scores(count), alpha=alpha).rule == rule


def test_that_the_conformal_threshold_lies_just_above_the_k_th_smallest_score():
    scores = np.random.default_rng(1).permutation(np.arange(1, 200, dtype=np.float32))  # n = 199, k = 198
    calibration = make(scores)
    assert calibration.threshold == np.nextafter(np.float32(198), np.float32(np.inf))
    assert calibration.judge(198.0) != "NG"
    assert calibration.judge(199.0) == "NG"


def test_that_ties_at_the_threshold_stay_good():
    scores = [1.0] * 60 + [2.0] * 60
    calibration = make(scores)
    assert calibration.judge(2.0) != "NG"
    assert calibration.judge(2.001) == "NG"


def test_that_a_threshold_means_the_same_in_float32_and_float64():
    calibration = make(normal_scores(120))
    largest = np.float32(max(score for score in calibration.scores if score < calibration.threshold))
    assert not np.any(np.array([largest]) >= calibration.threshold)
    assert float(np.float32(calibration.threshold)) == calibration.threshold


def test_that_the_false_alarm_rate_on_new_parts_is_alpha():
    rng = np.random.default_rng(3)
    rates = [
        (rng.lognormal(0, 0.5, 500) >= make(rng.lognormal(0, 0.5, 150), alpha=0.05).threshold).mean()
        for _ in range(300)
    ]
    assert np.mean(rates) == pytest.approx(8 / 151, abs=0.006)  # k = 144 of 151: exactly 7/151 expected at most


# --- log-normal -----------------------------------------------------------------------------------------------------


def test_that_the_log_normal_bound_is_the_prediction_bound_of_the_textbook():
    scores = normal_scores(30).astype(np.float64)
    logs = np.log(scores)
    reach = stats.t.ppf(0.99, 29) * math.sqrt(1 + 1 / 30)
    assert make(scores).threshold == pytest.approx(np.exp(logs.mean() + reach * logs.std(ddof=1)), rel=1e-6)


def test_that_the_log_normal_bound_answers_to_alpha():
    scores = normal_scores(30)
    thresholds = [make(scores, alpha=alpha).threshold for alpha in (0.001, 0.003, 0.01, 0.03)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == 4


def test_that_the_log_normal_bound_never_falls_below_the_largest_good_score():
    scores = [1.0] * 28 + [1.01, 40.0]
    calibration = make(scores, alpha=0.03)
    assert calibration.rule == "log_normal"
    assert calibration.judge(40.0) != "NG"


@pytest.mark.parametrize(
    "scores",
    [
        [0.0] + [1.0, 1.1, 1.2] * 4,
        [-5.0, -4.0, -4.5, -4.2] * 3,
        [-1.0, 0.0, 1.0] * 4,
        [1e-7] + [2.0, 2.1, 1.9, 2.05] * 5,
    ],
)
def test_that_zero_negative_and_stray_small_scores_give_a_threshold_of_the_scores_own_size(scores):
    calibration = make(scores)
    spread = max(scores) - min(scores)
    assert max(scores) < calibration.threshold < max(scores) + 4 * spread


def test_that_negative_scores_may_be_shifted_without_changing_the_verdict():
    scores = np.linspace(-5, -4, 20)
    first, second = make(scores), make(scores - 100)
    assert second.threshold == pytest.approx(first.threshold - 100, abs=1e-3)


# --- degenerate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1e-8, 3.0, -2.0, 1e6])
@pytest.mark.parametrize("count", [3, 50, 150])
def test_that_identical_scores_give_a_threshold_just_above_and_a_finite_scale(value, count):
    calibration = make([value] * count)
    assert calibration.judge(value) == "OK"
    assert calibration.normalise(value) == pytest.approx(0, abs=0.1)
    assert math.isfinite(calibration.normalise(value + 1000))
    assert calibration.judge(value + 1e-4 * (abs(value) or 1)) == "NG"
    assert np.isfinite(calibration.normalise_map(np.array([value, value + 1000], np.float32))).all()


def test_that_a_small_spread_on_a_large_offset_is_kept():
    scores = 1000 + np.random.default_rng(0).uniform(0, 0.1, 150)
    assert make(scores).threshold < 1000.2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_that_too_few_parts_are_refused_with_the_number_needed(count):
    with pytest.raises(CalibrationError, match="at least 3 parts"):
        make([1.0, 2.0][:count])


def test_that_many_pictures_of_two_parts_are_too_few():
    with pytest.raises(CalibrationError, match=r"40 held-out picture\(s\) of 2 good part"):
        make(normal_scores(40), groups=["a", "b"] * 20)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e39])
def test_that_a_score_that_is_no_usable_number_is_refused_by_its_place(bad):
    with pytest.raises(CalibrationError, match="picture 3 of 5 has the score"):
        make([1.0, 2.0, bad, 3.0, 4.0], maxima=np.ones(5))
    with pytest.raises(CalibrationError, match="map maximum"):
        make(np.ones(5), maxima=np.array([1.0, 2.0, bad, 3.0, 4.0]))


@pytest.mark.parametrize("alpha", [0.0, -0.1, 0.5, 1.0, math.nan])
def test_that_an_impossible_rate_is_refused(alpha):
    with pytest.raises(CalibrationError, match="false-alarm rate"):
        make(normal_scores(30), alpha=alpha)


def test_that_a_rate_beyond_what_three_parts_can_tell_is_refused():
    with pytest.raises(CalibrationError, match="no finite threshold"):
        make([1.0, 2.0, 4.0], alpha=1e-9)


def test_that_scores_maxima_and_parts_must_be_as_many():
    with pytest.raises(CalibrationError, match="one of each per picture"):
        make(normal_scores(5), maxima=np.ones(4))


# --- UNSURE band ----------------------------------------------------------------------------------------------------


def test_that_unsure_lies_between_the_lower_and_the_upper_threshold():
    calibration = make(np.arange(1, 200, dtype=np.float32))
    assert calibration.threshold_low == np.nextafter(np.float32(190), np.float32(np.inf))  # 5 %: k = 190
    assert [calibration.judge(score) for score in (190.0, 191.0, 198.0, 199.0)] == ["OK", "UNSURE", "UNSURE", "NG"]


@pytest.mark.parametrize("factor", [None, 0, 0.0, 0.5, 1.0])
def test_that_the_band_can_be_off_and_never_reaches_the_threshold(factor):
    assert make(np.arange(1, 200), band_factor=factor).threshold_low is None


def test_that_a_wide_band_stops_at_the_typical_part():
    calibration = make(np.arange(1, 200), alpha=0.2, band_factor=5)
    assert calibration.median <= calibration.threshold_low < calibration.threshold


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=130),
    st.sampled_from([0.005, 0.01, 0.05, 0.2, 0.45]),
    st.sampled_from([None, 1.5, 5.0, 50.0]),
)
def test_that_any_scores_give_ordered_thresholds_above_the_median(scores, alpha, band_factor):
    calibration = make(scores, alpha=alpha, band_factor=band_factor)
    assert calibration.median < calibration.threshold
    assert calibration.threshold_low is None or calibration.median < calibration.threshold_low < calibration.threshold
    share = np.mean(np.asarray(scores) >= calibration.threshold)
    assert share <= alpha
    assert calibration.normalise(calibration.threshold) == 1
    assert calibration.normalise(calibration.median) == pytest.approx(0, abs=1e-9)


# --- parts ----------------------------------------------------------------------------------------------------------


def test_that_several_pictures_of_a_part_count_as_one_by_their_largest_score():
    rng = np.random.default_rng(5)
    parts = rng.lognormal(0, 0.3, 120)
    scores = np.concatenate([parts, parts * 0.9, parts * 0.8])
    names = [f"part {index}" for index in range(120)] * 3
    grouped = make(scores, groups=names)
    assert (grouped.n, grouped.n_groups) == (360, 120)
    assert grouped.threshold == make(parts).threshold
    assert grouped.median == pytest.approx(np.median(parts * 0.9))


def test_that_a_part_with_many_pictures_does_not_move_the_centre():
    scores = [1.0, 1.2, 1.1] + [9.0] * 50
    calibration = make(scores, groups=["a", "b", "c"] + ["d"] * 50)
    assert calibration.median == pytest.approx(1.15)


def test_that_a_part_is_told_by_the_first_group_or_the_whole_match():
    names = ["train/a01_left.png", "train/a01_right.png", "train/b7_left.png"]
    assert assign_groups(names, r"([a-z]\d+)_") == ["a01", "a01", "b7"]
    assert assign_groups(names, r"[ab]\d") == ["a0", "a0", "b7"]
    assert assign_groups(names, None) == names


def test_that_a_name_without_a_part_is_named():
    with pytest.raises(ParameterError, match=r"spare\.png.*finds no part"):
        assign_groups(["a01_left.png", "spare.png"], r"(\w\d+)_")
    with pytest.raises(ParameterError, match=r"x\.png"):
        assign_groups(["x.png"], r"(\d*)")


def test_that_a_broken_pattern_is_refused():
    with pytest.raises(ParameterError, match="not a regular expression"):
        assign_groups(["a.png"], "(")


# --- folds and hold-out ---------------------------------------------------------------------------------------------


def test_that_folds_deal_every_picture_once_and_split_no_part():
    groups = [f"part {index // 3}" for index in range(60)]
    dealt = folds(groups, 5, seed=1)
    assert sorted(index for fold in dealt for index in fold) == list(range(60))
    assert {len(fold) for fold in dealt} == {12}
    parts = [{groups[index] for index in fold} for fold in dealt]
    assert sum(len(names) for names in parts) == len(set().union(*parts))


def test_that_folds_are_the_same_for_the_same_seed_only():
    groups = [str(index) for index in range(40)]
    assert folds(groups, 5, seed=1) == folds(groups, 5, seed=1) != folds(groups, 5, seed=2)


def test_that_uneven_parts_are_spread_evenly():
    groups = ["big"] * 10 + [f"small {index}" for index in range(10)]
    assert sorted(len(fold) for fold in folds(groups, 2, seed=0)) == [10, 10]


def test_that_few_parts_are_left_out_one_by_one():
    assert sorted(folds(["a", "b", "a", "c"], 5, seed=0)) == [[0, 2], [1], [3]]


def test_that_one_part_cannot_be_held_out():
    with pytest.raises(CalibrationError, match="none can be held out"):
        folds(["a"] * 9, 5, seed=0)


def test_rule_11_scores_of_training_pictures_are_refused():
    with pytest.raises(CalibrationError, match="2 of the pictures to calibrate with are training pictures"):
        ensure_disjoint(fitted=["a.png", "b.png", "c.png"], scored=["b.png", "c.png", "d.png"])
    ensure_disjoint(fitted=["a.png"], scored=["b.png"])


def test_that_only_held_out_sources_exist():
    with pytest.raises(ValidationError, match="source"):
        calibrate(np.ones(5), np.ones(5), list("abcde"), alpha=0.01, source="training")


# --- scale and record -----------------------------------------------------------------------------------------------


def test_that_picture_and_map_have_scales_of_their_own():
    scores = normal_scores(150)
    calibration = make(scores, maxima=scores * 3 + 1)
    assert calibration.normalise(calibration.median) == pytest.approx(0)
    assert calibration.normalise(2 * calibration.threshold - calibration.median) == pytest.approx(2)
    values = np.array([[calibration.pixel_median, calibration.pixel_threshold]], np.float32)
    normalised = calibration.normalise_map(values)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, [[0, 1]], atol=1e-5)
    assert normalised[0, 1] == 1


def test_that_at_most_alpha_of_good_pictures_show_a_pixel():
    maxima = np.random.default_rng(2).gamma(5, 1, 400)
    calibration = make(np.ones(400), maxima=maxima)
    assert np.mean(maxima >= calibration.pixel_threshold) <= 0.01


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_that_a_score_that_is_not_finite_is_never_ok(score):
    with pytest.raises(CalibrationError):
        make(normal_scores(30)).judge(score)


def test_that_the_interval_holds_the_exceedances():
    assert clopper_pearson(0, 30) == (0.0, pytest.approx(1 - 0.025 ** (1 / 30)))
    reference = stats.binomtest(4, 200).proportion_ci(method="exact")
    assert clopper_pearson(4, 200) == pytest.approx((reference.low, reference.high))
    assert clopper_pearson(7, 7)[1] == 1.0
    calibration = make(np.arange(1, 200))
    assert calibration.false_alarm_interval == pytest.approx(clopper_pearson(1, 199))


def test_that_the_upper_end_is_the_order_statistic_s_own_bound():
    calibration = make(np.arange(1, 200))  # k = 198 of 199: the rate has the distribution Beta(2, 198)
    assert calibration.false_alarm_interval[1] == pytest.approx(stats.beta.ppf(0.975, 2, 198))


def test_that_a_record_survives_json_to_the_last_bit():
    calibration = make(normal_scores(40))
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration


def test_that_a_record_whose_thresholds_contradict_each_other_is_refused():
    fields = make(normal_scores(40)).model_dump()
    for change in (
        {"threshold": fields["median"]},
        {"pixel_threshold": -1.0},
        {"threshold_low": 1e9},
        {"median": math.nan},
    ):
        with pytest.raises(ValidationError):
            Calibration.model_validate(fields | change)


def test_that_another_rate_can_be_had_from_the_kept_scores():
    scores = normal_scores(150)
    assert make(scores).with_alpha(0.05, None) == make(scores, alpha=0.05, band_factor=None)
    with pytest.raises(CalibrationError):
        make(scores).model_copy(update={"map_maxima": (), "groups": ()}).with_alpha(0.05)
